"""What the inputs demand, and what Kafka and ClickHouse show, charges and entries as fingerprints: millions fit."""

import multiprocessing
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from heapq import merge
from typing import Any, TypeVar

import numpy as np
from clickhouse_connect.driver import Client
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from schemas.codec import decode_dead_letter
from schemas.topics import TopicNames
from tests.integration.system import PARTITIONS
from tests.simulation.observed import Observed, read_outputs, read_topic
from tests.simulation.oracle import OracleSettings, RawRecord, book_partition, expect, named_events
from tests.simulation.oracle_clickhouse import read_clickhouse
from tests.simulation.oracle_kafka import read_input, read_rate_cards
from tests.simulation.oracle_prices import read_cards
from tests.simulation.oracle_records import ChargeFacts, EntryFacts, EntryKey, Expected, Figures, Identity, Place

_IN_PROCESSES_ABOVE = 300_000
_PROCESSES = 2
_PLACE_BITS = 48
T = TypeVar("T", "CompactExpected", "CompactShown")

Marks = NDArray[np.uint64]

_CHARGES = """
SELECT bitOr(bitShiftLeft(toUInt64(partition), 48), toUInt64(offset)),
    xxHash64(concatWithSeparator('\\0', account, source, id, agent, conversation, channel, node,
        toString(toInt64(quantity * 1000000)), toString(toInt64(credits * 1000000)), toString(messages), rate_card,
        toString(toUnixTimestamp64Micro(occurred_at))))
FROM {database:Identifier}.charges FINAL"""

_ENTRIES = """
SELECT account, count(), groupBitXor(xxHash64(concatWithSeparator('\\0', toString(sequence), kind, lot,
    toString(toInt64(lot_credits * 1000000)), toString(toInt64(owed_credits * 1000000)),
    toString(toInt64(billed_credits * 1000000)), toString(toInt64(balance_credits * 1000000)),
    if(cause = 'clock', '', concat(source, '/', id)), rate_card, toString(toUInt8(late)),
    toString(toUnixTimestamp64Micro(occurred_at)), toString(toUnixTimestamp64Milli(ingested_at)))))
FROM {database:Identifier}.ledger FINAL
GROUP BY account"""


class ChargeMarks(dict[Identity, ChargeFacts]):
    """Takes charges as a dictionary would, and keeps where each was booked from and a fingerprint of all it says."""

    def __init__(self) -> None:
        super().__init__()
        self.places, self.prints = array("Q"), array("Q")

    def __setitem__(self, identity: Identity, facts: ChargeFacts) -> None:
        self.places.append(facts.partition << _PLACE_BITS | facts.offset)
        self.prints.append(xxh64_intdigest("\0".join((*identity, *map(str, facts[:-2]))).encode()))

    def sorted(self) -> tuple[Marks, Marks]:
        """Places in order, and their fingerprints."""
        places, prints = (np.frombuffer(each, dtype=np.uint64) for each in (self.places, self.prints))
        order = np.argsort(places, kind="stable")
        return places[order], prints[order]

    def __reduce__(self) -> tuple[type["ChargeMarks"], tuple[()], dict[str, "array[int]"]]:
        """A dictionary's own way would leave the marks out."""
        return ChargeMarks, (), vars(self)


class EntryMarks(dict[EntryKey, EntryFacts]):
    """Takes entries as a dictionary would, and keeps of each account how many there are, and one fingerprint."""

    def __init__(self) -> None:
        super().__init__()
        self.of_account: dict[str, tuple[int, int]] = {}

    def __setitem__(self, key: EntryKey, facts: EntryFacts) -> None:
        count, print_ = self.of_account.get(key.account, (0, 0))
        said = "\0".join(map(str, (key.sequence, *facts[:8], int(facts.is_late), *facts[9:])))
        self.of_account[key.account] = (count + 1, print_ ^ xxh64_intdigest(said.encode()))

    def __reduce__(self) -> tuple[type["EntryMarks"], tuple[()], dict[str, Any]]:
        """A dictionary's own way would leave the marks out."""
        return EntryMarks, (), vars(self)


@dataclass
class CompactExpected(Expected):
    """What the oracle demands, and how many records of usage it read."""

    entries: EntryMarks = field(default_factory=EntryMarks)
    charges: ChargeMarks = field(default_factory=ChargeMarks)
    usage_records: int = 0


@dataclass
class CompactShown(Observed):
    """What Kafka or ClickHouse shows."""

    entries: EntryMarks = field(default_factory=EntryMarks)
    charges: ChargeMarks = field(default_factory=ChargeMarks)


def expected_of(servers: str, topics: TopicNames, events: int) -> CompactExpected:
    """What the oracle makes of all that was sent."""
    return _by_partition(_expected_of, CompactExpected(), servers, topics, events)


def shown_by_kafka(servers: str, topics: TopicNames, events: int) -> CompactShown:
    """What the workers committed."""
    return _by_partition(_shown_by, CompactShown(), servers, topics, events)


def shown_by_clickhouse(client: Client, database: str) -> CompactShown:
    """What an analyst sees."""
    figures = read_clickhouse(client, database, charges=False)
    shown = CompactShown(
        balances=figures.balances,
        lots=figures.lots,
        alerts=figures.alerts,
        refills=figures.refills,
        bills=figures.bills,
        rollups=figures.rollups,
        conversations=figures.conversations,
        dead_letters=figures.dead_letters,
    )
    with client.query_rows_stream(_ENTRIES, parameters={"database": database}) as rows:
        shown.entries.of_account = {account: (count, print_) for account, count, print_ in rows}
    with client.query_column_block_stream(_CHARGES, parameters={"database": database}) as blocks:
        for places, prints in blocks:
            shown.charges.places.extend(places)
            shown.charges.prints.extend(prints)
    return shown


def forget_delays(figures: Figures) -> None:
    """Whether an alert came late is told by the worker's clock: where that jumps, only it knows."""
    for alerts in figures.alerts.values():
        alerts[:] = [alert._replace(is_delayed=False) for alert in alerts]


def _by_partition(
    work: Callable[[str, TopicNames, Sequence[int]], T], total: T, servers: str, topics: TopicNames, events: int
) -> T:
    """All at once, or partition after partition, two at a time in processes of their own, when there is much."""
    if events <= _IN_PROCESSES_ABOVE:
        return work(servers, topics, range(PARTITIONS))
    with ProcessPoolExecutor(_PROCESSES, multiprocessing.get_context("spawn")) as pool:
        for part in [pool.submit(work, servers, topics, [partition]) for partition in range(PARTITIONS)]:
            _add(total, part.result())
    return total


def _add(total: CompactExpected | CompactShown, part: CompactExpected | CompactShown) -> None:
    """Partitions share no account, so no row of one is in the other."""
    total.balances.update(part.balances)
    total.lots.update(part.lots)
    total.entries.of_account.update(part.entries.of_account)
    total.alerts.update(part.alerts)
    total.refills.update(part.refills)
    total.bills.update(part.bills)
    total.rollups.update(part.rollups)
    total.conversations |= part.conversations
    total.dead_letters.update(part.dead_letters)
    total.charges.places.extend(part.charges.places)
    total.charges.prints.extend(part.charges.prints)
    if isinstance(total, CompactExpected) and isinstance(part, CompactExpected):
        total.usage_records += part.usage_records
    elif isinstance(total, CompactShown) and isinstance(part, CompactShown):
        total.doubled += part.doubled
        total.broken += part.broken


def _expected_of(servers: str, topics: TopicNames, partitions: Sequence[int]) -> CompactExpected:
    expected = CompactExpected()
    settings = OracleSettings(partitions=PARTITIONS, topics=topics)
    cards = read_rate_cards(servers, topics)

    def counted(records: Iterable[RawRecord]) -> Iterator[RawRecord]:
        for record in records:
            expected.usage_records += 1
            yield record

    commands = list(read_input(servers, topics, "commands", partitions))
    usage = counted(read_input(servers, topics, "usage", partitions))
    if len(partitions) > 1:
        expect([*commands, *usage], cards, settings, expected)
    else:
        # Millions: they are booked as they are read.
        merged, remembers = merge(commands, usage, key=_append_time), named_events(commands)
        book_partition(merged, expected, read_cards(cards), settings, remembers=remembers)
    return expected


def _append_time(record: RawRecord) -> int:
    return record.timestamp_ms


def _shown_by(servers: str, topics: TopicNames, partitions: Sequence[int]) -> CompactShown:
    shown = CompactShown()
    read_outputs(servers, topics, partitions, shown)
    # They take room by the million, and are another test's.
    shown.versions.clear()
    letters = Counter(
        (letter.topic, letter.partition, letter.offset)
        for message in read_topic(servers, topics.dead_letters, partitions)
        for letter in [decode_dead_letter(message.value() or b"")]
    )
    shown.doubled += [Place(*place) for place, count in letters.items() if count > 1]
    return shown

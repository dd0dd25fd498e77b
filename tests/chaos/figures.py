"""What the inputs demand, and what Kafka and ClickHouse show, with charges as fingerprints: millions of them fit."""

import multiprocessing
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from heapq import merge
from typing import TypeVar

import numpy as np
from clickhouse_connect.driver import Client
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from schemas.codec import decode_dead_letter
from schemas.topics import TopicNames
from tests.integration.system import PARTITIONS
from tests.simulation.observed import Observed, read_outputs, read_topic
from tests.simulation.oracle import OracleSettings, RawRecord, book_partition, expect
from tests.simulation.oracle_clickhouse import read_clickhouse
from tests.simulation.oracle_kafka import read_input, read_rate_cards
from tests.simulation.oracle_prices import read_cards
from tests.simulation.oracle_records import ChargeFacts, Expected, Identity, Place

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


@dataclass
class CompactExpected(Expected):
    """What the oracle demands, and how many records of usage it read."""

    charges: ChargeMarks = field(default_factory=ChargeMarks)
    usage_records: int = 0


@dataclass
class CompactShown(Observed):
    """What Kafka or ClickHouse shows."""

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
    shown = CompactShown(**{**vars(figures), "charges": ChargeMarks()})
    with client.query_column_block_stream(_CHARGES, parameters={"database": database}) as blocks:
        for places, prints in blocks:
            shown.charges.places.extend(places)
            shown.charges.prints.extend(prints)
    return shown


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
    total.rollups.update(part.rollups)
    total.conversations |= part.conversations
    total.dead_letters.update(part.dead_letters)
    total.charges.places.extend(part.charges.places)
    total.charges.prints.extend(part.charges.prints)
    if isinstance(total, CompactExpected) and isinstance(part, CompactExpected):
        total.usage_records += part.usage_records
    elif isinstance(total, CompactShown) and isinstance(part, CompactShown):
        total.doubled += part.doubled


def _expected_of(servers: str, topics: TopicNames, partitions: Sequence[int]) -> CompactExpected:
    expected = CompactExpected()
    settings = OracleSettings(partitions=PARTITIONS, topics=topics)
    cards = read_rate_cards(servers, topics)

    def counted(records: Iterable[RawRecord]) -> Iterator[RawRecord]:
        for record in records:
            expected.usage_records += 1
            yield record

    commands = read_input(servers, topics, "commands", partitions)
    usage = counted(read_input(servers, topics, "usage", partitions))
    if len(partitions) > 1:
        expect([*commands, *usage], cards, settings, expected)
    else:
        # Millions: they are booked as they are read.
        book_partition(merge(commands, usage, key=_append_time), expected, read_cards(cards), settings)
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

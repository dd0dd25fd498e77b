"""What the records of checkpoints say, in the oracle's terms."""

from collections.abc import Sequence

from confluent_kafka import Message

from schemas.account import AccountRow, account_of
from schemas.charge import Charge
from schemas.codec import decode_charges, decode_dead_letter, decode_rollups
from schemas.dead_letter import DeadLetter
from schemas.ledger import Entry, decode_entry_batch, entries_of
from schemas.notice_events import NoticeEvent, decode_notice
from schemas.rollup import Rollup
from schemas.topics import TopicNames
from stream.engine.outbox import Record
from tests.simulation.observed_ledger import LedgerReader
from tests.simulation.oracle_records import (
    ChargeFacts,
    ConversationKey,
    Figures,
    Identity,
    Place,
    RollupKey,
    RollupTotals,
)

TOPICS = TopicNames()
_DAY_US = 86_400_000_000


def values_in(records: Sequence[Record], topic: str) -> list[bytes]:
    """The values written to a topic, removals left out."""
    return [value for name, _, value in records if name == topic and value is not None]


def charges_in(records: Sequence[Record]) -> list[Charge]:
    """Every charge, in booking order."""
    return [charge for value in values_in(records, TOPICS.charges) for charge in decode_charges(value).charges]


def rollups_in(records: Sequence[Record]) -> list[Rollup]:
    """Every rollup row, as it was written each time."""
    return [row for value in values_in(records, TOPICS.rollups) for row in decode_rollups(value).rows]


def dead_letters_in(records: Sequence[Record]) -> list[DeadLetter]:
    """Every dead letter."""
    return [decode_dead_letter(value) for value in values_in(records, TOPICS.dead_letters)]


def entries_in(records: Sequence[Record]) -> list[Entry]:
    """Every ledger entry, in booking order."""
    return [entry for value in values_in(records, TOPICS.ledger) for entry in entries_of(decode_entry_batch(value))]


def notices_in(records: Sequence[Record]) -> list[NoticeEvent]:
    """Every alert, then every refill request, then every bill."""
    topics = (TOPICS.alerts, TOPICS.refill_requests, TOPICS.bills)
    return [decode_notice(value) for topic in topics for value in values_in(records, topic)]


def accounts_in(records: Sequence[Record]) -> dict[str, AccountRow]:
    """Each account as its changelog has it last."""
    rows = [account_of(value) for value in values_in(records, TOPICS.balances_changelog)]
    return {row.account: row for row in rows}


def figures_in(records: Sequence[Record], partition: int = 0) -> Figures:
    """The figures an analyst would see; an offset that was charged twice fails, and so does a broken ledger."""
    charges = charges_in(records)
    assert len({charge.offset for charge in charges}) == len(charges)
    figures = Figures(
        rollups=_rollups(rollups_in(records)),
        charges={Identity(each.account, each.source, each.id): _facts(each, partition) for each in charges},
        conversations={
            ConversationKey(each.account, each.occurred_at_us // _DAY_US, each.agent, each.conversation)
            for each in charges
        },
        dead_letters={
            Place(letter.topic, letter.partition, letter.offset): letter.reason.value
            for letter in dead_letters_in(records)
        },
    )
    ledger = LedgerReader(figures, {}, [])
    readers = ledger.readers(TOPICS)
    for topic, key, value in records:
        if topic in readers:
            readers[topic](Message(topic=topic, partition=partition, key=key, value=value))
    ledger.finish()
    assert ledger.broken == []
    return figures


def _rollups(rows: Sequence[Rollup]) -> dict[RollupKey, RollupTotals]:
    """The sums over the segments of each key, of each segment the row that was written last."""
    latest = {(_rollup_key(row), row.segment): row for row in rows}
    summed: dict[RollupKey, RollupTotals] = {}
    for (key, _), row in latest.items():
        before = summed.get(key, RollupTotals(0, 0, 0, 0))
        added = (row.events, row.messages, row.quantity_micros, row.cost_microcredits)
        summed[key] = RollupTotals(*(one + other for one, other in zip(before, added, strict=True)))
    return summed


def _rollup_key(row: Rollup) -> RollupKey:
    return RollupKey(row.account, row.hour, row.channel, row.agent, row.node)


def _facts(charge: Charge, partition: int) -> ChargeFacts:
    return ChargeFacts(
        charge.agent,
        charge.conversation,
        charge.channel,
        charge.node,
        charge.quantity_micros,
        charge.cost_microcredits,
        charge.messages,
        charge.rate_card,
        charge.occurred_at_us,
        partition,
        charge.offset,
    )

"""What a ledger story would leave in Kafka: a checkpoint for each posting, with its entries and its charge."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from confluent_kafka import Message
from msgspec import Raw, structs

from schemas.account import AccountRow, BalanceRow
from schemas.charge import Charge, ChargeBatch
from schemas.codec import encode_packed
from schemas.identifiers import Account, Agent, Conversation, EventId, Node, RateCardVersion
from schemas.ledger import Entry, EntryBatch, canonical_json, pack_entries
from schemas.lot import NEVER_MS
from schemas.topics import TopicNames

TOPICS = TopicNames()
BOOKED_AT_MS = 1_763_812_800_000
Record = tuple[str, bytes]
"""A topic's name and a value."""


def postings(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Entries by their cause."""
    grouped = groupby(entries, key=lambda entry: (entry.cause, entry.source, entry.id, entry.ingested_at_ms))
    return [list(each) for _, each in grouped]


def entry_batch(entries: Sequence[Entry], version: int, partition: int = 0) -> EntryBatch:
    """The entries of one checkpoint."""
    return pack_entries(
        partition, version, 0, [entry.previous for entry in entries], [canonical_json(entry) for entry in entries]
    )


def charge_of_event(entry: Entry, cost_microcredits: int, node: str = "answer") -> Charge:
    """The charge of the event that caused an entry; a unit of it costs a credit."""
    return Charge(
        account=Account(entry.account),
        source=entry.source,
        id=EventId(entry.id),
        agent=Agent("ada"),
        conversation=Conversation("c1"),
        channel="api",
        node=Node(node),
        quantity_micros=cost_microcredits,
        cost_microcredits=cost_microcredits,
        messages=1,
        rate_card=RateCardVersion(entry.rate_card),
        occurred_at_us=entry.occurred_at_us,
        ingested_at_ms=entry.ingested_at_ms,
        offset=entry.offset,
    )


def charge_batch(charges: Sequence[Charge], version: int, partition: int = 0) -> ChargeBatch:
    """The charges of one checkpoint."""
    return ChargeBatch(partition, version, 0, BOOKED_AT_MS, list(charges))


def balance_row(row: AccountRow, due_at_ms: int = NEVER_MS) -> BalanceRow:
    """An account as its changelog has it right after a posting; `due_at_ms` is for who lets its clock go on."""
    posted = Raw(encode_packed(structs.replace(row, account=Account(""))))
    return BalanceRow(
        row.account,
        row.version,
        due_at_ms,
        False,
        row.remaining,
        0,
        row.sequence,
        row.head,
        row.events,
        row.messages,
        row.updated_at_ms,
        "",
        posted,
    )


def story_records(entries: Iterable[Entry], topics: TopicNames = TOPICS, partition: int = 0) -> list[Record]:
    """Entries and charges of a story, in the order in which its checkpoints wrote them."""
    records: list[Record] = []
    for version, posting in enumerate(postings(entries), 1):
        records.append((topics.ledger, encode_packed(entry_batch(posting, version, partition))))
        if posting[0].cause == "event":
            cost = sum(
                entry.owed_microcredits + entry.billed_microcredits - entry.lot_microcredits
                for entry in posting
                if entry.kind in ("burned", "owed", "billed")
            )
            charge = charge_of_event(posting[0], cost)
            records.append((topics.charges, encode_packed(charge_batch([charge], version, partition))))
    return records


def messages(records: Iterable[Record], topic: str, partition: int = 0) -> list[Message]:
    """Those of one topic as a consumer would get them."""
    mine = [value for name, value in records if name == topic]
    return [Message(topic=topic, partition=partition, offset=at, value=value) for at, value in enumerate(mine)]

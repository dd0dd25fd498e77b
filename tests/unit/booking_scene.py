"""A partition without Kafka: records made by hand go in, what its checkpoints would write comes out."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import merge
from typing import Any

from confluent_kafka import Message

from schemas.account import AccountRow
from schemas.codec import decode_rate_card
from schemas.lot import Lot
from schemas.topics import TopicNames
from stream.dedup_log import DedupLog
from stream.engine.lane import FEW, MANY, Batch, Offsets, Run, offset_after
from stream.engine.murmur2 import partitions_for
from stream.engine.outbox import Outbox, Record
from stream.engine.partition import Applied, Partition
from stream.engine.processor import LookUp
from stream.engine.progress import Progress
from stream.ledger_tables import LedgerTables
from stream.outputs import Outputs
from stream.pipeline import Pipeline
from stream.rollups.roller import Roller
from stream.rules.ledger.book import Book
from stream.rules.ledger.ledger import Ledger
from stream.rules.rate_cards import RateCards
from stream.rules.rollup import MOST_ROWS
from stream.tables import commands_table, corrections_table

TOPICS = TopicNames()
INPUTS = (TOPICS.usage_events, TOPICS.commands)
NOON = "2025-11-22T12:00:00Z"
NOON_MS = 1_763_812_800_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CREDIT = 1_000_000
EPOCH = 1
INCARNATION = 7
CARD = json.dumps(
    {
        "version": "v1",
        "effective_at": "2025-06-01T00:00:00Z",
        "prices": {
            "answer": {"unit": "message", "tiers": [{"credits_per_unit": "2"}], "counts_as_message": True},
            "search": {
                "unit": "call",
                "tiers": [{"credits_per_unit": "1", "up_to": "10"}, {"credits_per_unit": "0.5"}],
            },
            "gold": {"unit": "bar", "tiers": [{"credits_per_unit": "100000000"}]},
        },
    }
)

JsonObject = dict[str, Any]


def usage(**changes: Any) -> JsonObject:
    """A good event: changes to `data` by their names, to the envelope with `e_` before; ... takes a field away."""
    data = {"agent": "ada", "conversation": "c1", "channel": "api", "node": "answer"}
    return _changed("creditstream.usage", data, changes)


def grant(**changes: Any) -> JsonObject:
    """A good grant of 100 credits, changed as `usage` is."""
    return _changed("creditstream.command", {"kind": "grant", "grant": "g1", "credits": "100"}, changes)


def top_up(**changes: Any) -> JsonObject:
    """A good top-up of 100 credits, changed as `usage` is."""
    payment = {"reference": "p1", "amount_minor": 900, "currency": "EUR"}
    return grant(**{"kind": "top_up", "payment": payment, **changes})


def _changed(type_: str, data: JsonObject, changes: JsonObject) -> JsonObject:
    envelope: JsonObject = {"specversion": "1.0", "type": type_, "id": "1", "source": "/s", "subject": "acme"}
    envelope |= {"time": NOON, "data": data}
    for name, value in changes.items():
        part: JsonObject = envelope if name.startswith("e_") else data
        field = name.removeprefix("e_")
        if value is ...:
            part.pop(field, None)
        else:
            part[field] = value
    return envelope


def usage_record(
    body: JsonObject | bytes | None, at_ms: int = NOON_MS, offset: int = 0, key: bytes | None = b"acme"
) -> Message:
    """A record of usage.events, appended at that time."""
    return _record(INPUTS[MANY], body, at_ms, offset, key)


def command_record(
    body: JsonObject | bytes | None, at_ms: int = NOON_MS, offset: int = 0, key: bytes | None = b"acme"
) -> Message:
    """A record of credits.commands, appended at that time."""
    return _record(INPUTS[FEW], body, at_ms, offset, key)


def _record(topic: str, body: JsonObject | bytes | None, at_ms: int, offset: int, key: bytes | None) -> Message:
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    return Message(topic=topic, partition=0, offset=offset, key=key, value=body, timestamp=(2, at_ms))


def in_merge_order(records: Iterable[Message]) -> list[Message]:
    """Both inputs by append time, commands first at a tie, each by offset."""
    by_offset = sorted(records, key=lambda record: record.offset() or 0)
    usage_, commands = ([record for record in by_offset if record.topic() == topic] for topic in INPUTS)
    return list(merge(commands, usage_, key=lambda record: record.timestamp()[1]))


def as_runs(records: Iterable[Message]) -> list[Run]:
    """Records in their order as a lane hands them out."""
    runs: list[Run] = []
    for record in records:
        which = INPUTS.index(record.topic() or "")
        if runs and runs[-1][0] == which:
            runs[-1][1].append(record)
        else:
            runs.append((which, [record]))
    return runs


class PipelineAt(Pipeline):
    """A pipeline of a worker whose own clock stands at `now_ms`."""

    now_ms = NOON_MS

    def apply(self, runs: Sequence[Run], version: int, clock_ms: int, now_ms: int) -> int:  # noqa: ARG002  its own stands in
        return super().apply(runs, version, clock_ms, self.now_ms)

    def drain(self, version: int, booked_at_ms: int) -> Outbox:  # noqa: ARG002  its own clock stands in
        return super().drain(version, self.now_ms)


def new_pipeline(
    *,
    partitions: int = 1,
    partition: int = 0,
    window_ms: int = DAY_MS,
    horizon_ms: int = DAY_MS - 5 * 60_000,
    outcomes: Counter[str] | None = None,
    roller: Roller | None = None,
) -> PipelineAt:
    """An empty pipeline as the worker makes it."""

    return PipelineAt(
        partition,
        lambda keys: partitions_for(keys, partitions),
        LedgerTables(TOPICS, Ledger()),
        commands_table(TOPICS),
        corrections_table(TOPICS),
        DedupLog(TOPICS.dedup_log, window_ms, 16 << 20),
        Outputs(TOPICS, partition),
        (roller or Roller()).roll_up,
        horizon_ms * 1_000,
        Counter() if outcomes is None else outcomes,
    )


def rate_cards(*cards: str) -> RateCards:
    """A book of rate cards, from their JSON."""
    book = RateCards()
    for card in cards:
        book = book.with_card(decode_rate_card(card))
    return book


class Scene:
    """One partition with its pipeline; `written` is what its checkpoints carried.

    The worker's own clock stands at noon, until `stand_at`: a ledger is behind when it is earlier than that.
    """

    def __init__(self, cards: Sequence[str] = (CARD,), most_rollups: int = MOST_ROWS, **options: Any) -> None:
        self.outcomes: Counter[str] = Counter()
        self.written: list[Record] = []
        self.cards = rate_cards(*cards)
        self._roller = Roller(most_rollups)
        self._options = options
        self._now_ms = NOON_MS
        self.pipeline = self._new_pipeline()
        self.partition = self._new_partition(Progress(0, INCARNATION, dict.fromkeys(INPUTS, 0)))

    def stand_at(self, now_ms: int) -> None:
        """The worker's own clock is there from now on."""
        self._now_ms = self.pipeline.now_ms = now_ms

    def book(self, *records: Message) -> None:
        """Book records as one batch, in the order given."""
        position = list(self.partition.position)
        for record in records:
            position[INPUTS.index(record.topic() or "")] = offset_after(record)
        follows: Offsets = (position[MANY], position[FEW])
        batch = Batch(0, EPOCH, self.partition.position, follows, as_runs(records), len(records))
        found = self.partition.look_ups(batch, EPOCH)
        for look_up in found:
            look_up.take(self._written_of(look_up))
        assert self.partition.apply(batch, EPOCH, found) is Applied.BOOKED

    def _written_of(self, look_up: LookUp) -> list[bytes]:
        """The records that may have come of a place, of all that checkpoints wrote: those rise."""
        values = [value for topic, _, value in self.written if topic == look_up.topic and value is not None]
        of_values = [(look_up.places(value), value) for value in values]
        spans = [span for span, _ in of_values if span is not None]
        assert spans == sorted(spans)
        return [value for span, value in of_values if span is not None and span[0] <= look_up.place <= span[1]]

    def tick(self, clock_ms: int) -> Applied:
        """Let the clock move to this, without a record."""
        position = self.partition.position
        return self.partition.apply(Batch(0, EPOCH, position, position, [], 0, 0, clock_ms), EPOCH)

    def checkpoint(self) -> list[Record]:
        """Prepare and commit a checkpoint; its records."""
        checkpoint = self.partition.prepare(empty=True)
        assert checkpoint is not None
        self.partition.committed(checkpoint)
        records = checkpoint.complete()
        self.written += records
        return records

    def take_over(self) -> None:
        """Lose the memory, and restore it from the checkpoints' records as the next owner would."""
        self.pipeline = self._new_pipeline()
        tables = {table.changelog: table for table in self.pipeline.tables}
        self.pipeline.dedup.begin_restore(self.partition.durable.clock_ms)
        for topic, key, value in self.written:
            if topic in tables and key is not None:
                tables[topic].restore(key, value)
            elif topic == TOPICS.dedup_log and value is not None:
                self.pipeline.dedup.restore(value)
        for table in self.pipeline.tables:
            table.finish_restore()
        self.pipeline.dedup.finish_restore()
        self.partition = self._new_partition(self.partition.durable)

    def outcome_of(self, record: Message) -> str:
        """Book one record; what it was counted as."""
        before = Counter(self.outcomes)
        self.book(record)
        (outcome,) = (self.outcomes - before).elements()
        return str(outcome)

    def account(self, account: str = "acme") -> AccountRow:
        """The account's row in memory."""
        return self.book_of(account).row

    def lots(self, account: str = "acme") -> list[Lot]:
        """The account's lots in memory, by their names."""
        return sorted(self.book_of(account).lots(), key=lambda lot: lot.id)

    def book_of(self, account: str = "acme") -> Book:
        """The account in memory."""
        book = self.pipeline.ledger.book(account)
        assert book is not None
        return book

    def _new_pipeline(self) -> PipelineAt:
        pipeline = new_pipeline(outcomes=self.outcomes, roller=self._roller, **self._options)
        pipeline.now_ms = self._now_ms
        return pipeline

    def _new_partition(self, progress: Progress) -> Partition:
        return Partition(0, INPUTS, self.pipeline, progress, None, lambda: (1, self.cards))

"""One partition's pipeline: decode → check → price → deduplicate → burn down → roll up → emit."""

import itertools
import logging
from collections import Counter
from collections.abc import Sequence

from confluent_kafka import Message

from stream.booked_lately import BookedLately
from stream.charging import Charging
from stream.corrections import Corrections
from stream.dedup_log import DedupLog
from stream.engine.lane import FEW, MANY, Run
from stream.engine.outbox import Outbox, Record
from stream.engine.processor import LookUp
from stream.engine.tables import Table
from stream.ledger_tables import LedgerTables
from stream.outputs import Outputs
from stream.rollups.roller import Job, RollUp
from stream.rules.carrying_out import Carrying
from stream.rules.commands import REMEMBERED_MS, Remembered
from stream.rules.corrected import Corrected
from stream.rules.ledger.ledger import Ledger
from stream.rules.outcome import Reject
from stream.rules.partitioning import PartitionsFor
from stream.rules.rate_cards import RateCards

logger = logging.getLogger(__name__)

MOST_BEHIND_MS = 5 * 60_000
"""A ledger whose clock is further behind says so in its alerts, and asks for no refills."""
_MOST_FORGOTTEN = 1_000
_NO_OFFSET = 1 << 63
# What so many records are read into stays in a core's cache until they are booked: 5,000 take 1.5 µs an event more.
_RECORDS_AT_ONCE = 1_000
_lives = itertools.count(1)
"""Each tells a pipeline from those of the same partition before it was taken over again."""


class Pipeline:
    """Everything that one partition knows and does about credits."""

    def __init__(
        self,
        partition: int,
        partitions_for: PartitionsFor,
        ledger: LedgerTables,
        commands: Table[bytes, Remembered],
        corrections: Table[bytes, Corrected],
        dedup: DedupLog,
        outputs: Outputs,
        roll_up: RollUp,
        horizon_us: int,
        outcomes: Counter[str],
    ) -> None:
        self.tables = (ledger.accounts, ledger.lots, commands, corrections)
        self.logs = (dedup,)
        self.ledger: Ledger = ledger.ledger
        self.dedup = dedup
        self.drifted = 0
        self._partition = partition
        self._ledger_tables = ledger
        self._commands = commands
        self._charging = Charging(partition, partitions_for, self.ledger, dedup, horizon_us, self._reject, outcomes)
        self._corrections = Corrections(
            outputs.topics, partition, corrections, self.ledger, BookedLately(self.ledger, outputs)
        )
        self._carrying = Carrying(self.ledger, commands, self._corrections, self._charging.check_partition)
        self._outputs = outputs
        self._roll_up = roll_up
        self._life = next(_lives)
        self._outcomes = outcomes
        self._clock_ms = 0
        self._undrained_from: int | None = None

    @property
    def due_ms(self) -> int:
        """When the clock has something to do: an account's timer, or a ledger that was behind is not any more."""
        return self.ledger.due_ms

    def apply(self, runs: Sequence[Run], version: int, clock_ms: int, now_ms: int) -> int:
        """Book records in order; the clock after them."""
        self.ledger.version, self.ledger.booked_at_ms = version, now_ms
        begins_ms = max(clock_ms, runs[0][1][0].timestamp()[1]) if runs else clock_ms
        self.ledger.go_to(clock_ms, begins_ms, now_ms - MOST_BEHIND_MS)
        for which, records in runs:
            book = self._book_usage if which == MANY else self._book_commands
            clock_ms = book(records, clock_ms)
        self._clock_ms = clock_ms
        self._corrections.booked()
        return clock_ms

    def look_ups(self, runs: Sequence[Run]) -> Sequence[LookUp]:
        """The charges that commands correct, and their entries, unless they were booked since the last checkpoint."""
        commands = [record for which, records in runs if which == FEW for record in records]
        if not commands:
            return ()
        undrained_from = self._undrained_from
        if undrained_from is None:
            first = next((records[0].offset() for which, records in runs if which == MANY), None)
            undrained_from = _NO_OFFSET if first is None else first
        return self._corrections.look_ups(commands, undrained_from)

    def answer(self, look_ups: Sequence[LookUp]) -> None:
        """What was found, for the batch that is booked next."""
        self._corrections.answer(look_ups)

    def adopt(self, broadcast: object) -> None:
        """Price with these rate cards from the next batch on."""
        assert isinstance(broadcast, RateCards)  # noqa: S101  the app's broadcast folds into nothing else
        self._charging.adopt(broadcast)
        self._corrections.adopt(broadcast)

    def drain(self, version: int, booked_at_ms: int) -> Outbox:
        """Every output since the last checkpoint, and the ids to remember; the tables were drained before.

        Rollups are made of its charges later, in the checkpoint's thread.
        """
        drained = self._ledger_tables.drained
        for drift in drained.drift:
            logger.error("partition %s drifted: %s", self._partition, drift)
        self.drifted += len(drained.drift)
        records = self._outputs.drain(drained, version, booked_at_ms)
        topics = self._outputs.topics
        corrections = self._corrections.take_of_rollups()
        charges = [value for topic, _, value in records if topic == topics.charges and value is not None]
        records += self.dedup.drain()
        if not charges and not corrections:
            return Outbox(records)
        job = Job(self._partition, self._life, version, self._clock_ms, corrections)

        def rollups() -> list[Record]:
            return [(topics.rollups, None, value) for value in self._roll_up(job, charges)]

        return Outbox(records, rollups)

    def drained(self) -> None:
        """Nothing that was drained needs its memory any more."""
        self.ledger.books.rest()
        self._forget_commands()
        self._corrections.drained(self._clock_ms)
        self._undrained_from = None
        self.dedup.expire(self._clock_ms)

    def _book_usage(self, records: list[Message], clock_ms: int) -> int:
        if self._undrained_from is None:
            self._undrained_from = records[0].offset()
        while records:
            # Let go once they are booked, not with the batch: their memory is then still in a core's cache.
            some, records[:_RECORDS_AT_ONCE] = records[:_RECORDS_AT_ONCE], ()
            charges, clock_ms = self._charging.charge(some, clock_ms)
            self._outputs.charge(charges)
            if len(self.ledger.sealed.lines) >= _RECORDS_AT_ONCE:
                self._outputs.seal(self.ledger.take_sealed(), self.ledger.version)
        return clock_ms

    def _book_commands(self, records: list[Message], clock_ms: int) -> int:
        for record in records:
            clock_ms = max(clock_ms, record.timestamp()[1])
            self.ledger.advance(clock_ms)
            outcome = self._carrying.book(record.value(), record.key(), record.offset() or 0, clock_ms)
            if isinstance(outcome, Reject):
                self._reject(outcome, record, clock_ms)
            else:
                self._outcomes["command" if outcome else "duplicate_command"] += 1
        return clock_ms

    def _forget_commands(self) -> None:
        """Rows are in the order in which they were booked: the oldest come first."""
        for _ in range(_MOST_FORGOTTEN):
            oldest = next(iter(self._commands.values()), None)
            if oldest is None or self._clock_ms - oldest.at_ms <= REMEMBERED_MS:
                return
            self._commands.remove(oldest.key)

    def _reject(self, reject: Reject, record: Message, clock_ms: int) -> None:
        self._outcomes[reject.reason] += 1
        self._outputs.reject(reject, record, clock_ms)

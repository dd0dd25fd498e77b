"""A partition: its processor's state, its progress, and what its next checkpoint will carry."""

import logging
import time
from collections.abc import Callable, Sequence
from enum import Enum

from msgspec import Struct

from stream.engine import progress as progress_format
from stream.engine.lane import Batch, Offsets, Run
from stream.engine.outbox import Later, Outbox, Record
from stream.engine.processor import LookUp, Processor
from stream.engine.progress import Progress, Topology

logger = logging.getLogger(__name__)

MOST_RECORDS_UNCOMMITTED = 40_000
MOST_BYTES_UNCOMMITTED = 64 << 20
"""How much may be booked behind the checkpoint in flight, before the partition takes no more."""
_HEARTBEAT_SECONDS = 3_600.0
"""A silent transactional id expires after 7 days."""


class Applied(Enum):
    """What became of a batch."""

    BOOKED = "booked"
    STALE = "stale"
    GAP = "gap"


class Checkpoint(Struct, frozen=True):
    """One transaction: what it writes, kept until its outcome is known. `before` is the progress it follows."""

    records: list[Record]
    progress: Progress
    before: Progress
    topology: Topology | None
    later: Later | None = None

    def complete(self) -> list[Record]:
        """Every record but progress, those included that are only worked out now: it may block, and is called once."""
        return self.records if self.later is None else [*self.records, *self.later()]


class BrokenPartitionError(Exception):
    """An exception escaped while a batch was applied: half of it may be in memory, so nothing more is written."""


class Partition:
    """All that a worker holds of one partition, on the event loop."""

    def __init__(
        self,
        number: int,
        inputs: tuple[str, str],
        processor: Processor,
        restored: Progress,
        topology: Topology | None,
        broadcast: Callable[[], tuple[int, object]],
        claim: str = "",
    ) -> None:
        self.number = number
        self.processor = processor
        self.durable = restored
        self.broken: BrokenPartitionError | None = None
        self.booked_batches = 0
        self.uncommitted_records = 0
        self.uncommitted_bytes = 0
        self.last_booked_at = self.last_checkpoint_at = time.monotonic()
        self._inputs = inputs
        self._claim = claim
        self._broadcast = broadcast
        self._topology = topology
        self._prepared = restored
        self._offsets: Offsets = (restored.offsets.get(inputs[0], 0), restored.offsets.get(inputs[1], 0))
        self._clock_ms = restored.clock_ms
        self._broadcast_offset = restored.broadcast_offset
        self._adopted_offset: int | None = None
        self._moved = True

    @property
    def position(self) -> Offsets:
        """The next offsets of the inputs, of what is booked in memory."""
        return self._offsets

    @property
    def clock_ms(self) -> int:
        """The append time of the newest record booked, or of a later tick; it never goes back; in ms since 1970."""
        return self._clock_ms

    @property
    def settled(self) -> bool:
        """Everything booked is in Kafka, ticks included."""
        durable = tuple(self.durable.offsets.get(topic, 0) for topic in self._inputs)
        return (self._offsets, self._clock_ms) == (durable, self.durable.clock_ms)

    @property
    def next_tick_ms(self) -> int:
        """The earliest clock of a tick that would be booked."""
        return max(self.processor.due_ms, self._clock_ms + 1)

    @property
    def next_version(self) -> int:
        return progress_format.version_of(self._prepared.incarnation, self._prepared.checkpoint + 1)

    @property
    def full(self) -> bool:
        """Too much waits behind a checkpoint: take no more input."""
        return self.uncommitted_records >= MOST_RECORDS_UNCOMMITTED or self.uncommitted_bytes >= MOST_BYTES_UNCOMMITTED

    def look_ups(self, batch: Batch, epoch: int, found: Sequence[LookUp] = ()) -> Sequence[LookUp]:
        """What must be looked up, besides what was found, before a batch is applied; nothing unless it is next."""
        if self.broken is not None or batch.is_tick or (batch.epoch, batch.after) != (epoch, self._offsets):
            return ()
        try:
            wanted = self.processor.look_ups(batch.runs)
        except Exception as error:
            raise self._break(error) from error
        if not found:
            return wanted
        known = {(each.topic, each.place) for each in found}
        return [each for each in wanted if (each.topic, each.place) not in known]

    def apply(self, batch: Batch, epoch: int, found: Sequence[LookUp] = ()) -> Applied:
        """Book a batch if it follows on from what is booked: continuity is a chain, never offset arithmetic."""
        if batch.epoch != epoch:
            return Applied.STALE
        if batch.is_tick:
            return self._tick(batch)
        if batch.after != self._offsets:
            return Applied.GAP
        self._book(batch.runs, self._clock_ms, found)
        self._offsets = batch.next
        self._moved = True
        self.booked_batches += 1
        self.uncommitted_records += batch.count
        self.uncommitted_bytes += batch.size_bytes
        self.last_booked_at = time.monotonic()
        return Applied.BOOKED

    def prepare(self, *, empty: bool = False) -> Checkpoint | None:
        """Everything since the last checkpoint, encoded; None when nothing moved and none is asked for."""
        if self.broken is not None:
            raise self.broken
        idle_seconds = time.monotonic() - self.last_checkpoint_at
        if not (self._moved or empty or idle_seconds >= _HEARTBEAT_SECONDS):
            return None
        number = self._prepared.checkpoint + 1
        progress = Progress(
            checkpoint=number,
            incarnation=self._prepared.incarnation,
            offsets=dict(zip(self._inputs, self._offsets, strict=True)),
            broadcast_offset=self._broadcast_offset,
            clock_ms=self._clock_ms,
            claim=self._claim,
        )
        try:
            outbox = self._drain(progress.version)
        except Exception as error:
            raise self._break(error) from error
        checkpoint = Checkpoint(outbox.records, progress, self._prepared, self._topology, outbox.later)
        self._prepared = progress
        self._topology = None
        self._moved = False
        self.uncommitted_records = self.uncommitted_bytes = 0
        return checkpoint

    def committed(self, checkpoint: Checkpoint) -> None:
        """The checkpoint is in Kafka."""
        self.durable = checkpoint.progress
        self.last_checkpoint_at = time.monotonic()

    def _drain(self, version: int) -> Outbox:
        records: list[Record] = []
        for table in self.processor.tables:
            records += table.drain()
        outbox = self.processor.drain(version, time.time_ns() // 1_000_000)
        self.processor.drained()
        return Outbox(records + outbox.records, outbox.later)

    def _tick(self, tick: Batch) -> Applied:
        """Move the clock, if that changes anything; a tick out of order is no gap, as it holds no records."""
        if tick.after != self._offsets or tick.clock_ms < self.next_tick_ms:
            return Applied.STALE
        self._book((), tick.clock_ms)
        self._moved = True
        return Applied.BOOKED

    def _book(self, runs: Sequence[Run], clock_ms: int, found: Sequence[LookUp] = ()) -> None:
        if self.broken is not None:
            raise self.broken
        try:
            self._adopt_broadcast()
            if found:
                self.processor.answer(found)
            now_ms = time.time_ns() // 1_000_000
            self._clock_ms = self.processor.apply(runs, self.next_version, clock_ms, now_ms)
        except Exception as error:
            raise self._break(error) from error

    def _break(self, error: Exception) -> BrokenPartitionError:
        logger.exception("partition %s is broken: an exception escaped the pipeline", self.number, exc_info=error)
        self.broken = BrokenPartitionError(f"partition {self.number}: {error!r}")
        return self.broken

    def _adopt_broadcast(self) -> None:
        """Between batches, never within one."""
        offset, value = self._broadcast()
        if offset != self._adopted_offset:
            self.processor.adopt(value)
            self._adopted_offset = self._broadcast_offset = offset

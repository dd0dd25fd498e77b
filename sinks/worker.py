"""The sink: poll, buffer, insert, commit. Kafka's records become rows of ClickHouse, at least once.

Rows are absolute and ClickHouse keeps the newest version of each: at least once is exactly right. The loop:

1. Poll records. A crash here loses nothing: nothing was taken.
2. Decode them into the buffer. A crash here loses the buffer: nothing of it is committed, all is read again.
3. Hand a full or old buffer to a thread that inserts it, for as long as that takes. A crash here leaves some
   of its rows in ClickHouse: they are read and written again, and change nothing.
4. Commit the offsets of what was inserted. A crash before it is as above; after it, the batch is done.

While ClickHouse is away the thread tries on, the buffer fills to its bound, the partitions are paused, and
the loop goes on polling, which keeps the sink in its group.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from sinks import crash_points, dead_letters
from sinks.backoff import Backoff
from sinks.batch import Batch
from sinks.clickhouse import Writer
from sinks.dead_letters import Publisher
from sinks.feeds import UndecodableError, feeds
from sinks.flush import Flush, Outcome
from sinks.intake import CommitFailedError, Committed, End, Intake, Listener, SeekFailedError
from sinks.metrics import SinkMetrics
from sinks.progress import Progress
from sinks.records import Place, Record
from sinks.restarts import RestartWatch
from sinks.settings import SinkSettings

logger = logging.getLogger(__name__)

_POLLED_RECORDS = 64
_POLL_SECONDS = 0.1
_PAUSE_AFTER_SECONDS = 1.0
_PROBE_SECONDS = 10.0
_REVOKE_SECONDS = 5.0
_SHUTDOWN_SECONDS = 10.0


class SinkFailedError(Exception):
    """A mistake in the sink itself: it must not go on."""


class SinkWorker:
    """One sink; `run` works until `stop`, which any thread may call."""

    def __init__(
        self,
        settings: SinkSettings,
        *,
        open_intake: Callable[[Iterable[str], Listener], Intake],
        writer: Writer,
        publisher: Publisher,
        metrics: SinkMetrics,
        make_backoff: Callable[[], Backoff] = Backoff,
        each_turn: Callable[[Progress, SinkMetrics], None] = lambda _progress, _metrics: None,
    ) -> None:
        rewind_seconds = settings.sink_rewind_minutes * 60.0
        self._settings = settings
        self._feeds = feeds(settings.topics)
        self._writer = writer
        self._publisher = publisher
        self._metrics = metrics
        self._make_backoff = make_backoff
        self._each_turn = each_turn
        self._stopping = threading.Event()
        self._progress = Progress(rewind_seconds)
        self._watch = RestartWatch(rewind_seconds)
        self._pending: deque[Record | End] = deque()
        self._buffer = Batch()
        self._flush: Flush | None = None
        self._flushed_at = float("-inf")
        self._uncommitted: set[Place] = set()
        self._full_since: float | None = None
        self._holds_some = False
        self._holds_all = False
        self._rewind_is_due = False
        self._intake = open_intake(self._feeds, self)

    def stop(self) -> None:
        """Writes what is buffered, commits it, and ends."""
        self._stopping.set()

    def run(self) -> None:
        """The loop; SinkFailedError or the client library's error if it cannot go on."""
        try:
            while not self._stopping.is_set():
                self._turn()
            self._drain(_SHUTDOWN_SECONDS)
        finally:
            if self._flush is not None:
                logger.warning("%d rows are not written: the next sink reads them again", self._flush.batch.rows)
                self._flush.stop()
            self._intake.close()

    def _turn(self) -> None:
        self._metrics.loop_turned()
        self._poll()
        self._fill_buffer()
        self._hand_over()
        self._settle()
        self._rewind()
        in_flight = self._flush.batch if self._flush else Batch()
        self._metrics.buffered(self._buffer.rows + in_flight.rows, self._buffer.bytes + in_flight.bytes)
        self._each_turn(self._progress, self._metrics)

    # 1. Poll

    def _poll(self) -> None:
        if not self._pending:
            self._full_since = None
            self._resume()
            self._take()
        elif self._is_full and self._flush is not None:
            # Pausing throws away what is prefetched: ClickHouse gets a moment to catch up first.
            if self._waited_too_long:
                self._pause()
                self._take()
            else:
                self._flush.wait(_POLL_SECONDS)

    def _take(self) -> None:
        # Not in one expression: polling may call `lost`, which makes another deque.
        records = self._intake.poll(_POLLED_RECORDS, _POLL_SECONDS)
        self._pending.extend(records)
        if records:
            crash_points.reach("sink.polled")

    @property
    def _is_full(self) -> bool:
        settings = self._settings
        return self._buffer.rows >= settings.sink_flush_rows or self._buffer.bytes >= settings.sink_flush_bytes

    @property
    def _waited_too_long(self) -> bool:
        now = time.monotonic()
        self._full_since = now if self._full_since is None else self._full_since
        return now - self._full_since >= _PAUSE_AFTER_SECONDS

    def _pause(self) -> None:
        if not self._holds_all:
            logger.warning("paused: the buffer is full and ClickHouse does not keep up")
            self._holds_all = self._holds_some = True
            self._intake.pause()

    def _resume(self) -> None:
        if self._holds_some:
            self._holds_all = self._holds_some = False
            self._intake.resume()

    # 2. Buffer

    def _fill_buffer(self) -> None:
        now = time.monotonic()
        while self._pending and not self._is_full:
            item = self._pending.popleft()
            if item.place not in self._progress:
                continue
            if isinstance(item, Record):
                self._progress.saw(item.place, item.timestamp_ms)
                self._buffer_record(item)
                self._buffer.reach(item.place, item.offset + 1, item.timestamp_ms, now)
            else:
                self._buffer.reach(item.place, item.next_offset, 0, now)

    def _buffer_record(self, record: Record) -> None:
        try:
            rows = self._feeds[record.place.topic].rows_of(record)
        except UndecodableError as error:
            place = record.place
            logger.error("undecodable: %s/%d@%d: %s", *place, record.offset, error)  # noqa: TRY400 - no mistake of ours
            if place.topic == self._settings.topics.sink_dead_letters:
                return
            letter = dead_letters.undecodable(record, str(error), time.time_ns() // 1_000_000)
            self._buffer.reject(record, letter)
        else:
            self._buffer.add(record, rows)

    # 3. Insert

    def _hand_over(self) -> None:
        if self._flush is None and not self._rewind_is_due and self._is_due(time.monotonic()):
            self._start_flush()

    def _is_due(self, now: float) -> bool:
        if self._is_full or now - self._flushed_at >= _PROBE_SECONDS:
            return True
        opened_at = self._buffer.opened_at
        return opened_at is not None and now - opened_at >= self._settings.sink_flush_interval_ms / 1000

    def _start_flush(self) -> None:
        batch, self._buffer = self._buffer, Batch()
        self._flush = Flush(
            batch,
            writer=self._writer,
            publisher=self._publisher,
            watch=self._watch,
            metrics=self._metrics,
            backoff=self._make_backoff(),
            own_dead_letters=self._settings.topics.sink_dead_letters,
        )
        crash_points.reach("sink.buffered")
        self._flush.start()

    # 4. Commit

    def _settle(self) -> None:
        flush = self._flush
        if flush is None or flush.outcome is None:
            return
        self._flush = None
        self._flushed_at = time.monotonic()
        if flush.outcome is Outcome.WRITTEN:
            crash_points.reach("sink.inserted")
            self._progress.write(flush.batch.reached, self._flushed_at)
            self._commit(flush.batch.reached)
        elif flush.outcome is Outcome.RESTARTED:
            self._rewind_is_due = True
        elif flush.outcome is Outcome.UNCLEAR:
            # Later rows tell whether it is these rows or ClickHouse, as soon as one of them can be written.
            flush.batch.follow(self._buffer)
            self._buffer = flush.batch
        elif flush.outcome is Outcome.FAILED:
            raise SinkFailedError("the sink made a mistake while it wrote a batch") from flush.error

    def _commit(self, places: Iterable[Place]) -> None:
        self._uncommitted.update(places)
        offsets = self._progress.offsets(self._uncommitted, self._watch.servers)
        try:
            if offsets:
                self._intake.commit(offsets)
                crash_points.reach("sink.committed")
            self._uncommitted.clear()
        except CommitFailedError as error:
            self._metrics.commit_failed()
            logger.warning("offsets are not committed, the next commit covers them: %s", error)

    def _rewind(self) -> None:
        # Never within a poll: records that it has in hand would come after those that are read again.
        if not self._rewind_is_due:
            return
        targets = self._progress.rewind()
        try:
            self._intake.seek(targets)
        except SeekFailedError as error:
            logger.info("going back waits for the next turn: %s", error)
            return
        logger.warning("ClickHouse started anew: what was written lately is written again, from %s", targets)
        self._rewind_is_due = False
        self._metrics.rewound()
        self._pending.clear()
        self._buffer = Batch()
        self._commit(targets)

    # Partitions come and go

    def assigned(self, committed: Mapping[Place, Committed]) -> Mapping[Place, int]:
        """Begins each partition where the last sink left off, or earlier if ClickHouse started anew since."""
        now = time.monotonic()
        starts = {}
        for place, (offset, note, lost, _) in committed.items():
            if lost:
                self._metrics.lost(place, lost)
                logger.error("%d offsets of %s/%d were deleted before they were written to ClickHouse", lost, *place)
            rewind_to = note.rewind_to if note else offset
            outdated = note is not None and self._watch.outdated(note.servers)
            starts[place] = rewind_to if outdated else offset
            self._progress.take(place, starts[place], rewind_to, now)
        self._metrics.assigned(len(self._progress))
        # What was just assigned is not paused, even if the rest is.
        self._holds_all = False
        return starts

    def revoked(self, places: Sequence[Place]) -> None:
        """Writes and commits what is read of the partitions, if that can be done soon."""
        self._drain(_REVOKE_SECONDS)
        self.lost(places)

    def lost(self, places: Sequence[Place]) -> None:
        """Forgets the partitions: rows on their way may be written, but nothing is committed."""
        self._progress.drop(places)
        self._pending = deque(item for item in self._pending if item.place in self._progress)
        for place in places:
            self._uncommitted.discard(place)
            self._buffer.forget(place)
            if self._flush is not None:
                self._flush.batch.forget(place)
        self._metrics.assigned(len(self._progress))

    def _drain(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        self._finish_flush(deadline)
        if self._flush is None and self._buffer.reached and not self._rewind_is_due:
            self._start_flush()
            self._finish_flush(deadline)

    def _finish_flush(self, deadline: float) -> None:
        if self._flush is not None:
            self._flush.wait(max(0.0, deadline - time.monotonic()))
            self._settle()

"""The notifier: reads notices from Kafka and posts each to its endpoint, at least once, in order for each account.

1. Poll records into the queue of their kind. A crash here loses nothing: nothing of it is committed.
2. Send what is due, signed anew each time. A crash after an endpoint took a notice, and before 5, sends it again, with
   the same id.
3. Settle what was taken; what failed is tried again later.
4. Write what is given up to `sinks.undelivered-notices`, and settle it. A crash before 5 tries and writes it again.
5. Commit what is settled.

While an endpoint is away its queue fills to its bound, its partitions are held back, and the loop goes on polling,
which keeps the notifier in its group. The other kinds go on.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from schemas.undelivered_notice import NoticeKind
from sinks import crash_points
from sinks.intake import CommitFailedError, Committed, End, Listener
from sinks.notify.clock import Clock
from sinks.notify.courier import Courier
from sinks.notify.deliveries import Deliveries, Ended
from sinks.notify.letters import letter_of, letter_of_record
from sinks.notify.metrics import NotifyMetrics
from sinks.notify.notices import Held, UnreadableError, read_notice, read_redelivery
from sinks.notify.positions import Positions
from sinks.notify.settings import NotifySettings
from sinks.notify.source import NoticeSource
from sinks.notify.undelivered import LetterPublisher, Undelivered
from sinks.records import Place, Record

logger = logging.getLogger(__name__)

_POLLED_RECORDS = 64
_POLL_SECONDS = 0.1
_POLL_SECONDS_ON_THE_WAY = 0.02
_COMMIT_SECONDS = 0.25
_SHOW_SECONDS = 1.0
_REVOKE_SECONDS = 3.0
_SHUTDOWN_SECONDS = 20.0

_random = random.SystemRandom()


class Notifier:
    """One notifier; `run` works until `stop`, which any thread may call."""

    def __init__(
        self,
        settings: NotifySettings,
        *,
        open_source: Callable[[Iterable[str], Listener], NoticeSource],
        courier: Courier,
        publisher: LetterPublisher,
        metrics: NotifyMetrics,
        clock: Clock,
        draw: Callable[[float, float], float] = _random.uniform,
    ) -> None:
        self._kinds = settings.notice_topics
        self._redeliveries = settings.topics.undelivered_notices
        self._metrics = metrics
        self._clock = clock
        self._deliveries = Deliveries(settings, courier, metrics, clock, draw)
        self._undelivered = Undelivered(publisher, metrics, clock)
        self._positions = Positions()
        self._paused: dict[NoticeKind, bool] = dict.fromkeys(self._deliveries.queues, False)
        self._held_back: set[Place] = set()
        self._stopping = threading.Event()
        self._committed_at = self._shown_at = float("-inf")
        self._source = open_source([*self._kinds, self._redeliveries], self)

    def stop(self) -> None:
        """Waits for what is on its way, commits, and ends."""
        self._stopping.set()

    def run(self) -> None:
        """The loop; the client library's error if it cannot go on."""
        try:
            while not self._stopping.is_set():
                self.turn()
            self._drain(_SHUTDOWN_SECONDS, self._positions.places)
        finally:
            self._source.close()

    def turn(self) -> None:
        """Each step once."""
        self._metrics.loop_turned()
        self._poll()
        self._deliveries.send_due()
        self._settle(self._deliveries.take_answers(0))
        self._write_undelivered()
        now = self._clock.monotonic()
        if now - self._committed_at >= _COMMIT_SECONDS:
            self._commit()
        self._hold_back()
        if now - self._shown_at >= _SHOW_SECONDS:
            self._shown_at = now
            self._metrics.queues(self._deliveries.queues, self._paused, self._clock.now_ms())

    # 1. Poll

    def _poll(self) -> None:
        seconds = _POLL_SECONDS_ON_THE_WAY if self._deliveries.waits_for_answers else _POLL_SECONDS
        for item in self._source.poll(_POLLED_RECORDS, seconds):
            if item.place not in self._positions:
                continue
            if isinstance(item, End):
                self._positions.reached(item.place, item.next_offset)
            elif self._positions.read(item.place, item.offset):
                self._take(item)

    def _take(self, record: Record) -> None:
        try:
            kind = self._kinds.get(record.place.topic)
            held = read_redelivery(record) if kind is None else read_notice(record, kind)
        except UnreadableError as error:
            self._unreadable(record, str(error))
            return
        if held is None:
            self._positions.settle(record.place, record.offset)
        elif self._deliveries.goes_somewhere(held):
            self._deliveries.add(held)
        else:
            self._undelivered.add(letter_of(held, "no_endpoint", self._clock.now_ms()), held.kind)

    def _unreadable(self, record: Record, problem: str) -> None:
        kind = self._kinds.get(record.place.topic)
        if kind is None:
            # A letter about a record of the letters' own topic would be read again here.
            logger.error("unreadable: %s/%d@%d: %s", *record.place, record.offset, problem)
            self._metrics.undelivered("redelivery", "unreadable")
            self._positions.settle(record.place, record.offset)
        else:
            self._undelivered.add(letter_of_record(record, problem, self._clock.now_ms()), kind)

    # 3. and 4. Settle

    def _settle(self, ended: Sequence[Ended]) -> None:
        for held, reason in ended:
            if reason is None:
                crash_points.reach("notify.delivered")
                self._done(held.record, held)
            else:
                self._undelivered.add(letter_of(held, reason, self._clock.now_ms()), held.kind)

    def _write_undelivered(self) -> None:
        for _, record, held in self._undelivered.write():
            crash_points.reach("notify.undelivered")
            self._done(record, held)

    def _done(self, record: Record, held: Held | None) -> None:
        self._positions.settle(record.place, record.offset)
        # One without an endpoint was never in a queue.
        if held is not None and self._deliveries.goes_somewhere(held):
            self._deliveries.settle(held)

    # 5. Commit

    def _commit(self) -> None:
        self._committed_at = self._clock.monotonic()
        commits = self._positions.due()
        if not commits:
            return
        try:
            self._source.commit(commits)
        except CommitFailedError as error:
            self._metrics.commit_failed()
            logger.warning("offsets are not committed, the next commit covers them: %s", error)
        else:
            self._positions.committed(commits)
            crash_points.reach("notify.committed")

    def _hold_back(self) -> None:
        for kind, queue in self._deliveries.queues.items():
            paused = not queue.has_room if self._paused[kind] else queue.full
            if paused and not self._paused[kind]:
                logger.warning("%s: %d wait, no more are read until half of them went", kind, queue.notices)
            self._paused[kind] = paused
        topics = {topic for topic, kind in self._kinds.items() if self._paused[kind] or self._undelivered.full}
        if topics:
            topics.add(self._redeliveries)
        wanted = {place for place in self._positions.places if place.topic in topics}
        if more := wanted - self._held_back:
            self._source.hold(more)
        if fewer := self._held_back - wanted:
            self._source.release(fewer)
        self._held_back = wanted

    # Partitions come and go

    def assigned(self, committed: Mapping[Place, Committed]) -> Mapping[Place, int]:
        """Begins each partition where the last notifier left off, and knows which later records that one settled."""
        for place, found in committed.items():
            if found.lost:
                self._metrics.lost(place, found.lost)
                logger.error("%d offsets of %s/%d were deleted before they were delivered", found.lost, *place)
            # With offsets lost, the log begins above what was committed, and the note counts from there.
            self._positions.take(place, found.offset, found.metadata)
        self._held_back -= committed.keys()
        self._metrics.assigned(len(self._positions))
        return {place: found.offset for place, found in committed.items()}

    def revoked(self, places: Sequence[Place]) -> None:
        """Waits a little for what is on its way, and commits."""
        self._drain(_REVOKE_SECONDS, places)
        self.lost(places)

    def lost(self, places: Sequence[Place]) -> None:
        """Forgets the partitions: what is on its way may arrive, but nothing is committed."""
        self._positions.drop(places)
        self._held_back.difference_update(places)
        self._deliveries.forget(places)
        self._undelivered.forget(places)
        self._metrics.assigned(len(self._positions))

    def _drain(self, seconds: float, places: Sequence[Place]) -> None:
        deadline = self._clock.monotonic() + seconds
        while self._deliveries.waits_for(places):
            left_seconds = deadline - self._clock.monotonic()
            if left_seconds <= 0:
                logger.warning("some notices are on their way still: they are sent again, with the same ids")
                break
            self._settle(self._deliveries.take_answers(left_seconds))
        self._write_undelivered()
        self._commit()

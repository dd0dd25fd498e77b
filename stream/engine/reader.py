"""The reader: one librdkafka consumer, assigned by hand from progress, for all partitions of a worker.

Every method runs in one thread of its own, one call after the other: a poll never sees half of an assignment.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from msgspec import Struct

from stream.engine.broker_clock import BrokerClock
from stream.engine.lane import FEW, LARGEST_BATCH_RECORDS, MANY, MOST_BATCHES_UNDER_WAY, Batch, Lane, Offsets, Tick

logger = logging.getLogger(__name__)

_IDLE_WAIT_SECONDS = 0.05
_GATHER_SECONDS = 0.005
_STARVED_SECONDS = 0.001
_POLL_BYTES = 32 << 20
_RECORDS_AT_ONCE = 1_000
_STATISTICS_MS = 1_000
_LEAST_FETCH_WAIT_MS, _MOST_FETCH_WAIT_MS = 10, 50


Place = tuple[str | None, int | None]
"""Topic and partition, as a message has them."""


class InputEnds(Struct):
    """Where one input ends: `stable` is the last stable offset, `high` the high watermark."""

    stable: int = -1
    high: int = -1


class OffsetLostError(Exception):
    """A partition's progress points to where its input no longer is, or not yet."""


class Reader:
    """Reads the two inputs of every partition that it was given, and hands them out in batches."""

    def __init__(
        self, config: Mapping[str, str | int | float | bool], inputs: tuple[str, str], grace_seconds: float
    ) -> None:
        self._inputs = inputs
        self._which = {inputs[MANY]: MANY, inputs[FEW]: FEW}
        self._grace_seconds = grace_seconds
        self._lanes: dict[int, Lane] = {}
        self._epochs: dict[int, int] = {}
        self._poll_records = LARGEST_BATCH_RECORDS
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._read_ahead: Future[None] | None = None
        self._closing = threading.Lock()
        self._closed = False
        self.polled_at = time.monotonic()
        self.ends: dict[tuple[str, int], InputEnds] = {}
        self.lost: dict[int, OffsetLostError] = {}
        self.broker_clock = BrokerClock()
        self._consumer = Consumer(
            {
                **config,
                "group.id": "creditstream-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # A default would silently begin elsewhere when progress is outside the log.
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                # A lane's grace is meant to outlast a fetch: an open transaction shows in none that came before it.
                "fetch.wait.max.ms": max(_LEAST_FETCH_WAIT_MS, min(_MOST_FETCH_WAIT_MS, int(grace_seconds * 500))),
                "fetch.queue.backoff.ms": _LEAST_FETCH_WAIT_MS,
                "queued.max.messages.kbytes": 65_536,
                "statistics.interval.ms": _STATISTICS_MS,
                "stats_cb": self._note_ends,
            }
        )

    @property
    def inputs(self) -> tuple[str, str]:
        """The topics: the many, and the few."""
        return self._inputs

    @property
    def thread(self) -> ThreadPoolExecutor:
        """Where every call to the reader is made."""
        return self._thread

    def epoch(self, partition: int) -> int:
        """The epoch of the partition's lane: batches of older ones are stale."""
        return self._epochs.get(partition, 0)

    def start(self, partition: int, position: Offsets) -> int:
        """Read a partition from `position` on, and only from there; the epoch of its batches."""
        self._leave(partition)
        epoch = self._new_lane(partition, position)
        self._consumer.incremental_assign(self._places(partition, position))
        return epoch

    def seek(self, partition: int, position: Offsets) -> None:
        """Read a partition again from `position`: what was handed out before is stale."""
        if partition in self._lanes:
            self.start(partition, position)

    def stop(self, partition: int, epoch: int | None = None) -> None:
        """Read a partition no longer; with an epoch, only if no later one began."""
        if epoch is not None and epoch != self.epoch(partition):
            return
        self._leave(partition)
        # A seek keeps them: health could not tell how long input waits if each began the count anew.
        for topic in self._inputs:
            self.ends.pop((topic, partition), None)

    def lane(self, partition: int) -> Lane | None:
        return self._lanes.get(partition)

    def expect(self, partition: int, epoch: int, tick: Tick) -> None:
        """Hand out a tick in its turn, if the partition is still read in this epoch."""
        lane = self._lanes.get(partition)
        if lane is not None and lane.epoch == epoch:
            lane.expect(tick)

    def log_ends(self, topics: list[str], partition: int) -> dict[str, int]:
        """The high watermarks of a partition's logs, asked of the broker."""
        return {
            topic: self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=5.0)[1]
            for topic in topics
        }

    def poll(self, applied: Callable[[int], int | None]) -> list[Batch]:
        """The batches that may be booked now, at most one of each partition; more is read while they are booked.

        `applied` says how many batches of the current epoch a partition has booked, None while it takes no more.
        """
        if self._read_ahead is not None:
            self._read_ahead.result()
            self._read_ahead = None
        batches = self._take(applied)
        if not batches:
            self._read(applied)
            batches = self._take(applied)
        if not batches:
            time.sleep(_STARVED_SECONDS)
            return batches
        with self._closing:
            if not self._closed:
                self._read_ahead = self._thread.submit(self._read, applied)
        return batches

    def _read(self, applied: Callable[[int], int | None]) -> None:
        """Receive more, if a lane that books waits for it."""
        if self._wants_more([lane for number, lane in self._lanes.items() if applied(number) is not None]):
            self._consume()

    def _take(self, applied: Callable[[int], int | None]) -> list[Batch]:
        now = self.polled_at = time.monotonic()
        batches = []
        for number, lane in self._lanes.items():
            self._hold_back(lane)
            count = applied(number)
            if count is None or lane.delivered - count >= MOST_BATCHES_UNDER_WAY:
                continue
            batch = lane.take(now)
            if batch is not None:
                batches.append(batch)
        return batches

    def _wants_more(self, booking: list[Lane]) -> bool:
        """Whether a lane that books waits for input. Pausing instead would make librdkafka fetch again what it had."""
        return not booking or any(lane.hungry for lane in booking) or all(lane.caught_up for lane in booking)

    def close(self) -> None:
        """Stop reading; the thread ends after what it is doing."""
        with self._closing:
            self._closed = True
            self._thread.submit(self._consumer.close)
        self._thread.shutdown(wait=True)

    def _consume(self) -> None:
        """Receive what waits, up to a bound: some at a time, as what was just made is in the processor's cache."""
        most = self._poll_records
        some = min(most, _RECORDS_AT_ONCE)
        # The first record is waited for, the rest only gathered: small batches when idle, large ones under load.
        waiting = any(lane.waiting_records for lane in self._lanes.values())
        messages = self._consumer.consume(1, _GATHER_SECONDS if waiting else _IDLE_WAIT_SECONDS)
        if messages:
            messages += self._consumer.consume(some, _GATHER_SECONDS)
        received = 0
        while messages:
            self._receive(messages)
            received += len(messages)
            if len(messages) < some or received >= most:
                return
            messages = self._consumer.consume(some, _GATHER_SECONDS)

    def _receive(self, messages: list[Message]) -> None:
        received = time.monotonic()
        runs: dict[Place, list[Message]] = {}
        ended: dict[Place, int] = {}
        errors: list[tuple[Place, KafkaError]] = []
        first = received_bytes = 0
        while first < len(messages):
            message, last = messages[first], _end_of_run(messages, first)
            place = (message.topic(), message.partition())
            error = message.error()
            if error is None:
                ended.pop(place, None)
                runs.setdefault(place, []).extend(messages[first:last])
            elif error.code() == KafkaError._PARTITION_EOF:
                ended[place] = message.offset() or 0
            else:
                errors.append((place, error))
            first = last
        for place, run in runs.items():
            lane = self._lane_of(place)
            if lane is not None:
                received_bytes += lane.receive(self._which[place[0] or ""], run, received)
                self.broker_clock.note(run[-1].timestamp()[1], received)
        for place, offset in ended.items():
            lane = self._lane_of(place)
            if lane is not None:
                lane.reached_end(self._which[place[0] or ""], offset)
        # Only now: whatever an error leads to, no record that was consumed is missing.
        for place, error in errors:
            self._meet(place, error)
        # Fewer at once when they are large.
        mean_bytes = max(1, received_bytes // len(messages))
        self._poll_records = max(16, min(LARGEST_BATCH_RECORDS, _POLL_BYTES // mean_bytes))

    def _lane_of(self, place: Place) -> Lane | None:
        return self._lanes.get(place[1]) if place[1] is not None else None

    def _meet(self, place: Place, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            self._lose(place, error)
        elif error.fatal():
            raise KafkaException(error)
        else:
            logger.warning("reading %s [%s]: %s", *place, error.str())

    def _lose(self, place: Place, error: KafkaError) -> None:
        topic, partition = place
        lane = self._lane_of(place)
        if topic is None or partition is None or lane is None:
            return
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=5.0)
            holds = f"offsets {low} to {high}"
        except KafkaException:
            holds = "unknown offsets"
        self.lost[partition] = OffsetLostError(
            f"{topic} [{partition}] holds {holds}, and the partition's progress is "
            f"{lane.position[self._which[topic]]}: {error.str()}. Input was deleted before it was booked, or the topic "
            "is not the one it was. To go on with what is left, start once with --accept-new-state."
        )

    def _hold_back(self, lane: Lane) -> None:
        """Stop fetching an input of which too much waits; when both wait, the lane hands out from both."""
        for which, topic in enumerate(self._inputs):
            if lane.full(which) and which not in lane.paused:
                lane.paused.add(which)
                self._consumer.pause([TopicPartition(topic, lane.partition)])
            elif which in lane.paused and not lane.full(which):
                lane.paused.discard(which)
                self._consumer.resume([TopicPartition(topic, lane.partition)])

    def _leave(self, partition: int) -> None:
        lane = self._lanes.pop(partition, None)
        if lane is not None:
            self._epochs[partition] += 1
            # librdkafka keeps a pause over unassign and assign.
            self._consumer.resume([TopicPartition(self._inputs[which], partition) for which in lane.paused])
            self._consumer.incremental_unassign([TopicPartition(topic, partition) for topic in self._inputs])

    def _new_lane(self, partition: int, position: Offsets) -> int:
        epoch = self._epochs[partition] = self._epochs.get(partition, 0) + 1
        self.lost.pop(partition, None)
        self._lanes[partition] = Lane(
            partition, epoch, position, self._grace_seconds, functools.partial(self._high_watermark, partition)
        )
        return epoch

    def _high_watermark(self, partition: int, which: int) -> int:
        """As the last fetch had it, read_committed or not: asked of the broker it would be the last stable offset."""
        return self._consumer.get_watermark_offsets(TopicPartition(self._inputs[which], partition), cached=True)[1]

    def _places(self, partition: int, position: Offsets) -> list[TopicPartition]:
        return [TopicPartition(topic, partition, position[self._which[topic]]) for topic in self._inputs]

    def _note_ends(self, statistics: str) -> None:
        for topic, of_topic in _decode_statistics(statistics.encode()).topics.items():
            for partition, ends in of_topic.partitions.items():
                # Unknown again from a seek to the first fetch.
                if int(partition) in self._lanes and ends.ls_offset >= 0:
                    self.ends[topic, int(partition)] = InputEnds(ends.ls_offset, ends.hi_offset)


class _PartitionStatistics(Struct):
    ls_offset: int = -1
    hi_offset: int = -1


class _TopicStatistics(Struct):
    partitions: dict[str, _PartitionStatistics]


class _Statistics(Struct):
    topics: dict[str, _TopicStatistics]


_decode_statistics = msgspec.json.Decoder(_Statistics).decode


def _end_of_run(messages: Sequence[Message], first: int) -> int:
    """Behind records of one partition, as many as their offsets say.

    Where an aborted transaction left a gap, what else came may stand between them, and make up the number. Looking at
    each in a loop would cost every event a third of a microsecond; three times in C cost a fifth of that.
    """
    message = messages[first]
    # An error is asked for first: one without an offset has none to tell.
    offset = None if message.error() is not None else message.offset()
    length = 1 if offset is None else len(messages) - first
    while length > 1:
        last = messages[first + length - 1]
        if (
            last.error() is None
            and last.offset() == (offset or 0) + length - 1
            and _are_of_one_partition(messages[first : first + length])
        ):
            return first + length
        length //= 2
    return first + 1


def _are_of_one_partition(messages: Sequence[Message]) -> bool:
    """Records alone, without the end of anything between them."""
    return (
        not any(map(Message.error, messages))
        and len(set(map(Message.partition, messages))) == 1
        and len(set(map(Message.topic, messages))) == 1
    )

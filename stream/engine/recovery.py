"""Takes a partition over: fence, claim, restore until the claim is met, check that nothing is missing or ahead.

Faust's own recovery is not used: it compares record offsets with an end offset, and transaction markers take offsets.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from msgspec import Struct

from stream.engine import crash_points
from stream.engine import progress as progress_format
from stream.engine.checkpoint import CheckpointWriter
from stream.engine.log_cache import LogCache
from stream.engine.outbox import Record
from stream.engine.processor import Log, Processor
from stream.engine.progress import Claim, Progress, TopicIdentity, Topology

logger = logging.getLogger(__name__)

_BATCH_RECORDS = 10_000
_WAIT_SECONDS = 0.2
_STALL_SECONDS = 120.0
_TAIL_RECORDS = 64
_SKEW_MS = 5 * 60_000
# Other errors are of the way to the broker: they pass, or the stall ends the take-over.
_HOPELESS = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


class RefusedError(Exception):
    """The partition's state does not belong to the topics as they are: a person must decide."""


class CancelledTakeOverError(Exception):
    """The partition was revoked meanwhile."""


class RecoveryPlan(Struct, frozen=True):
    """What a take-over needs to know of the application."""

    progress_topic: str
    output_topics: Sequence[str]
    input_topics: tuple[str, str]
    accept_new_state: bool


class Restored(Struct, frozen=True):
    """A partition's processor, filled, and the progress that it stands at."""

    processor: Processor
    progress: Progress
    topology: Topology | None
    claim: str


class Recovery:
    """Restores one partition. `run` blocks: it runs in a thread, and ends early when `cancelled` is set."""

    def __init__(
        self,
        config: Mapping[str, str | int | float | bool],
        plan: RecoveryPlan,
        topology: Topology,
        cache: LogCache,
        cancelled: threading.Event,
        on_restored: Callable[[int], None],
    ) -> None:
        self._config = config
        self._plan = plan
        self._topology = topology
        self._cache = cache
        self._cancelled = cancelled
        self._on_restored = on_restored

    def run(self, writer: CheckpointWriter, processor: Processor) -> Restored:
        """Take the partition over: see the module."""
        with writer.in_use():
            return self._run(writer, processor)

    def _run(self, writer: CheckpointWriter, processor: Processor) -> Restored:
        if not writer.fence():
            raise CancelledTakeOverError
        crash_points.reach("takeover.fenced")
        logged = [table.changelog for table in processor.tables] + [log.topic for log in processor.logs]
        nonce = claim(writer, self._plan.progress_topic, logged)
        crash_points.reach("takeover.claimed")
        progress, topology = self._read_progress(writer.partition, nonce)
        self._check_topology(writer.partition, topology, progress)
        newest = self._restore(processor, writer.partition, nonce, progress)
        crash_points.reach("takeover.restored")
        self._check_nothing_ahead(writer.partition, progress, newest)
        if progress is None or self._plan.accept_new_state:
            progress = Progress(
                checkpoint=0,
                # Above the last one even if the clock was set back: the sink keeps the highest version.
                incarnation=max(int(time.time()), progress.incarnation + 1 if progress else 0),
                offsets=self._first_offsets(writer.partition, progress, topology),
                clock_ms=progress.clock_ms if progress else 0,
            )
        changed = None if topology == self._topology else self._topology
        return Restored(processor, progress, changed, nonce)

    def _first_offsets(self, partition: int, progress: Progress | None, known: Topology | None) -> dict[str, int]:
        """An input that nobody booked, or that was made again, or lost what was not booked, is read from its start."""
        kept = progress.offsets if progress else {}
        offsets = {}
        with opened(self._config) as consumer:
            for topic in self._plan.input_topics:
                low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30.0)
                same = known is not None and known.topics.get(topic) == self._topology.topics.get(topic)
                offsets[topic] = kept[topic] if same and low <= kept.get(topic, -1) <= high else low
        return offsets

    def _read_progress(self, partition: int, nonce: str) -> tuple[Progress | None, Topology | None]:
        progress: Progress | None = None
        topology: Topology | None = None
        with opened(self._config) as consumer:
            consumer.assign([self._beginning(consumer, self._plan.progress_topic, partition)])
            for message in self._until_claimed(consumer, {self._plan.progress_topic}, nonce):
                key, value = message.key(), message.value()
                if key == progress_format.PROGRESS_KEY and value is not None:
                    progress = progress_format.decode_progress(value)
                elif key == progress_format.TOPOLOGY_KEY and value is not None:
                    topology = progress_format.decode_topology(value)
        return progress, topology

    def _check_topology(self, partition: int, known: Topology | None, progress: Progress | None) -> None:
        if self._plan.accept_new_state or (known is None and progress is None):
            return
        if known is None:
            raise RefusedError(f"partition {partition} has progress but no record of its topics")
        problems = [
            _difference(topic, known.topics[topic], self._topology.topics.get(topic))
            for topic in known.topics
            if known.topics[topic] != self._topology.topics.get(topic)
        ]
        if known.state_format > progress_format.STATE_FORMAT:
            problems.append(f"its state format is {known.state_format}, newer than this worker's")
        if problems:
            raise RefusedError(
                f"partition {partition} is refused: {'; '.join(problems)}. Balances would be wrong. If this is "
                "meant, start once with --accept-new-state."
            )

    def _restore(self, processor: Processor, partition: int, nonce: str, progress: Progress | None) -> int:
        """Fill tables and logs; the newest checkpoint that wrote any row."""
        clock_ms = progress.clock_ms if progress else 0
        tables = {table.changelog: table for table in processor.tables}
        logs = {log.topic: log for log in processor.logs}
        newest = 0
        with opened(self._config) as consumer:
            places = [self._beginning(consumer, topic, partition) for topic in tables]
            places += [self._log_start(consumer, log, partition, clock_ms) for log in processor.logs]
            consumer.assign(places)
            for message in self._until_claimed(consumer, {*tables, *logs}, nonce):
                key, value = message.key(), message.value()
                if _is_control(message):
                    continue
                topic = message.topic() or ""
                if topic in tables and key is not None:
                    newest = max(newest, tables[topic].restore(key, value))
                elif topic in logs and value is not None:
                    logs[topic].restore(value)
        for log in logs.values():
            log.finish_restore()
        return newest

    def _log_start(self, consumer: Consumer, log: Log, partition: int, clock_ms: int) -> TopicPartition:
        """Where to read a log from: its cache's end, else the window's beginning, else the log's."""
        identity = self._topology.topics[log.topic].id
        low, high = consumer.get_watermark_offsets(TopicPartition(log.topic, partition), timeout=30.0)
        cached = self._cache.load(log.topic, partition, identity)
        # Retention may have passed the cache's end; then the log's new beginning is as good.
        if cached is not None and low <= cached.offset <= high and log.load(cached.chunks):
            return TopicPartition(log.topic, partition, cached.offset)
        wanted_ms = max(0, log.begin_restore(clock_ms) - _SKEW_MS)
        found = consumer.offsets_for_times([TopicPartition(log.topic, partition, wanted_ms)], timeout=30.0)[0]
        return TopicPartition(log.topic, partition, found.offset if found.offset >= 0 else low)

    def _beginning(self, consumer: Consumer, topic: str, partition: int) -> TopicPartition:
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30.0)
        return TopicPartition(topic, partition, low)

    def _until_claimed(self, consumer: Consumer, topics: set[str], nonce: str) -> Iterator[Message]:
        """Every record before our claim, of every topic; ends when all claims were met."""
        left = set(topics)
        heard = time.monotonic()
        while left:
            if self._cancelled.is_set():
                raise CancelledTakeOverError
            messages = _consume(consumer)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > _STALL_SECONDS:
                raise TimeoutError(f"nothing read from {sorted(left)} for {_STALL_SECONDS:.0f} s")
            for message in messages:
                topic = message.topic() or ""
                if topic not in left:
                    continue
                if _is_claim(message, nonce):
                    left.discard(topic)
                else:
                    yield message
            self._on_restored(len(messages))

    def _check_nothing_ahead(self, partition: int, progress: Progress | None, newest_row: int) -> None:
        """Outputs beyond the progress mean that progress was lost: going on would book them again."""
        if self._plan.accept_new_state:
            return
        stands_at = progress.version if progress else 0
        ahead = [f"a table holds checkpoint {newest_row}"] if newest_row > stands_at else []
        with opened(self._config) as consumer:
            for topic in self._plan.output_topics:
                newest = self._newest_checkpoint(consumer, topic, partition)
                if newest > stands_at:
                    ahead.append(f"{topic} holds checkpoint {newest}")
        if ahead:
            raise RefusedError(
                f"partition {partition} is refused: its progress stands at checkpoint {stands_at}, but "
                f"{'; '.join(ahead)}. {self._plan.progress_topic} lost records. If events may be booked again, start "
                "once with --accept-new-state."
            )

    def _newest_checkpoint(self, consumer: Consumer, topic: str, partition: int) -> int:
        """The checkpoint of the last committed record; markers take offsets, so look further and further back."""
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30.0)
        back = _TAIL_RECORDS
        while high > low:
            start = max(low, high - back)
            newest = self._newest_from(consumer, TopicPartition(topic, partition, start))
            if newest or start == low:
                return newest
            back *= 8
        return 0

    def _newest_from(self, consumer: Consumer, place: TopicPartition) -> int:
        consumer.assign([place])
        newest = 0
        heard = time.monotonic()
        while time.monotonic() - heard < _STALL_SECONDS:
            if self._cancelled.is_set():
                raise CancelledTakeOverError
            for message in _consume(consumer, ends=True):
                heard = time.monotonic()
                if message.error() is not None:
                    return newest
                headers = dict(message.headers() or [])
                newest = max(newest, int(headers.get(progress_format.CHECKPOINT_HEADER) or 0))
        raise TimeoutError(f"the end of {place.topic} [{place.partition}] was not met")


class opened:  # noqa: N801  reads as a verb where it is used
    """A consumer of one partition's topics, closed afterwards."""

    def __init__(self, config: Mapping[str, str | int | float | bool]) -> None:
        self._config = {
            **config,
            "group.id": "creditstream-recovery",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "fetch.message.max.bytes": 8 << 20,
            "queued.max.messages.kbytes": 65_536,
        }

    def __enter__(self) -> Consumer:
        self._consumer = Consumer(self._config)
        return self._consumer

    def __exit__(self, *_: object) -> None:
        self._consumer.close()


def claim(writer: CheckpointWriter, progress_topic: str, topics: Sequence[str]) -> str:
    """Write a claim to every topic of the partition, in one transaction; its nonce."""
    nonce = uuid.uuid4().hex
    value = progress_format.encode(Claim(nonce, socket.gethostname(), os.getpid(), time.time_ns() // 1_000_000))
    records: list[Record] = [(topic, progress_format.CONTROL_KEY, value) for topic in topics]
    writer.transact([*records, (progress_topic, progress_format.CLAIM_KEY, value)])
    return nonce


def last_progress(
    config: Mapping[str, str | int | float | bool], progress_topic: str, writer: CheckpointWriter
) -> Progress | None:
    """The partition's progress as the log has it, read until a claim written now."""
    plan = RecoveryPlan(progress_topic, (), ("", ""), accept_new_state=True)
    recovery = Recovery(config, plan, Topology({}), LogCache(None), threading.Event(), lambda _: None)
    return recovery._read_progress(writer.partition, claim(writer, progress_topic, ()))[0]


def _consume(consumer: Consumer, *, ends: bool = False) -> list[Message]:
    """What is there; ends of partitions only when asked for. Other errors are raised."""
    messages = consumer.consume(1, _WAIT_SECONDS)
    if messages:
        messages += consumer.consume(_BATCH_RECORDS, 0.0)
    wanted = []
    for message in messages:
        error = message.error()
        if error is None or (ends and error.code() == KafkaError._PARTITION_EOF):
            wanted.append(message)
        elif error.code() in _HOPELESS or error.fatal():
            raise KafkaException(error)
        elif error.code() != KafkaError._PARTITION_EOF:
            logger.warning("restoring: %s", error.str())
    return wanted


def _is_control(message: Message) -> bool:
    key = message.key()
    return key is not None and key[:1] == b"\0"


def _is_claim(message: Message, nonce: str) -> bool:
    if message.key() not in (progress_format.CLAIM_KEY, progress_format.CONTROL_KEY):
        return False
    value = message.value()
    return value is not None and progress_format.decode_claim(value).nonce == nonce


def _difference(topic: str, known: TopicIdentity, now: TopicIdentity | None) -> str:
    if now is None:
        return f"{topic} is gone"
    if now.id != known.id:
        return f"{topic} was deleted and made again"
    return f"{topic} has {now.partitions} partitions and had {known.partitions}"

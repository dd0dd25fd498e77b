"""Takes a partition over: fence, claim, restore until the claim is met, check that nothing is missing or ahead.

Faust's own recovery is not used: it compares record offsets with an end offset, and transaction markers take offsets.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer, TopicPartition
from msgspec import Struct

from stream.engine import crash_points
from stream.engine import progress as progress_format
from stream.engine.checkpoint import CheckpointWriter
from stream.engine.log_cache import LogCache
from stream.engine.outbox import Record
from stream.engine.processor import Log, Processor
from stream.engine.progress import Claim, Progress, TopicIdentity, Topology
from stream.engine.restoring import (
    MOST_ROWS_WAITING,
    STALL_SECONDS,
    CancelledTakeOverError,
    RowsRead,
    Taker,
    consume,
    opened,
    read_until_claimed,
)

logger = logging.getLogger(__name__)

_TAIL_RECORDS = 64
_SKEW_MS = 5 * 60_000


class RefusedError(Exception):
    """The partition's state does not belong to the topics as they are: a person must decide."""


class RecoveryPlan(Struct, frozen=True):
    """What a take-over needs to know of the application."""

    progress_topic: str
    output_topics: Sequence[str]
    input_topics: tuple[str, str]
    accept_new_state: bool


class Restored(Struct, frozen=True):
    """A partition's processor, filled, and the progress that it stands at.

    A broker appended the claim at `claim_appended_ms` by its own clock, before `claimed_at` on the monotonic one.
    """

    processor: Processor
    progress: Progress
    topology: Topology | None
    claim: str
    claim_appended_ms: int
    claimed_at: float


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
        self._claim_appended_ms = 0

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
        claimed_at = time.monotonic()
        crash_points.reach("takeover.claimed")
        # One consumer for all of it: connecting takes longer than reading a few records.
        with opened(self._config) as consumer:
            progress, topology = self.read_progress(consumer, writer.partition, nonce)
            self._check_topology(writer.partition, topology, progress)
            newest = self._restore(consumer, processor, writer.partition, nonce, progress)
            crash_points.reach("takeover.restored")
            self._check_nothing_ahead(consumer, writer.partition, progress, newest)
            if progress is None or self._plan.accept_new_state:
                progress = Progress(
                    checkpoint=0,
                    # Above the last one even if the clock was set back: the sink keeps the highest version.
                    incarnation=max(int(time.time()), progress.incarnation + 1 if progress else 0),
                    offsets=self._first_offsets(consumer, writer.partition, progress, topology),
                    clock_ms=progress.clock_ms if progress else 0,
                )
        changed = None if topology == self._topology else self._topology
        return Restored(processor, progress, changed, nonce, self._claim_appended_ms, claimed_at)

    def _first_offsets(
        self, consumer: Consumer, partition: int, progress: Progress | None, known: Topology | None
    ) -> dict[str, int]:
        """An input that nobody booked, or that was made again, or lost what was not booked, is read from its start."""
        kept = progress.offsets if progress else {}
        offsets = {}
        for topic in self._plan.input_topics:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30.0)
            same = known is not None and known.topics.get(topic) == self._topology.topics.get(topic)
            offsets[topic] = kept[topic] if same and low <= kept.get(topic, -1) <= high else low
        return offsets

    def read_progress(self, consumer: Consumer, partition: int, nonce: str) -> tuple[Progress | None, Topology | None]:
        last: dict[bytes | None, bytes | None] = {}
        consumer.assign([self._beginning(consumer, self._plan.progress_topic, partition)])
        takers = {self._plan.progress_topic: last.__setitem__}
        self._read(consumer, progress_format.CLAIM_KEY, nonce, takers)
        progress, topology = last.get(progress_format.PROGRESS_KEY), last.get(progress_format.TOPOLOGY_KEY)
        return (
            progress_format.decode_progress(progress) if progress is not None else None,
            progress_format.decode_topology(topology) if topology is not None else None,
        )

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

    def _restore(
        self, consumer: Consumer, processor: Processor, partition: int, nonce: str, progress: Progress | None
    ) -> int:
        """Fill tables and logs; the newest checkpoint that wrote any row."""
        clock_ms = progress.clock_ms if progress else 0
        tables = {table.changelog: RowsRead(table) for table in processor.tables}
        places = [self._beginning(consumer, topic, partition) for topic in tables]
        places += [self._log_start(consumer, log, partition, clock_ms) for log in processor.logs]
        consumer.assign(places)
        takers: dict[str, Taker] = {topic: rows.take for topic, rows in tables.items()}
        takers.update((log.topic, _values_of(log)) for log in processor.logs)
        self._read(consumer, progress_format.CONTROL_KEY, nonce, takers, list(tables.values()))
        for table in processor.tables:
            table.finish_restore()
        for log in processor.logs:
            log.finish_restore()
        return max((rows.newest for rows in tables.values()), default=0)

    def _read(
        self,
        consumer: Consumer,
        claim_key: bytes,
        nonce: str,
        takers: Mapping[str, Taker],
        rows_read: Sequence[RowsRead] = (),
    ) -> None:
        def note(records: int) -> None:
            self._on_restored(records)
            for rows in rows_read:
                rows.hand_over(MOST_ROWS_WAITING)

        appended_ms = read_until_claimed(consumer, claim_key, nonce, takers, self._cancelled, note)
        self._claim_appended_ms = max(self._claim_appended_ms, appended_ms)
        for rows in rows_read:
            rows.hand_over()

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

    def _check_nothing_ahead(
        self, consumer: Consumer, partition: int, progress: Progress | None, newest_row: int
    ) -> None:
        """Outputs beyond the progress mean that progress was lost: going on would book them again."""
        if self._plan.accept_new_state:
            return
        stands_at = progress.version if progress else 0
        ahead = [f"a table holds checkpoint {newest_row}"] if newest_row > stands_at else []
        for topic, newest in self._newest_checkpoints(consumer, partition).items():
            if newest > stands_at:
                ahead.append(f"{topic} holds checkpoint {newest}")
        if ahead:
            raise RefusedError(
                f"partition {partition} is refused: its progress stands at checkpoint {stands_at}, but "
                f"{'; '.join(ahead)}. {self._plan.progress_topic} lost records. If events may be booked again, start "
                "once with --accept-new-state."
            )

    def _newest_checkpoints(self, consumer: Consumer, partition: int) -> dict[str, int]:
        """The checkpoint of each output's last committed record; markers take offsets, so look further back again."""
        newest = dict.fromkeys(self._plan.output_topics, 0)
        ends = {
            topic: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30.0) for topic in newest
        }
        starts = {topic: high for topic, (low, high) in ends.items() if high > low}
        back = _TAIL_RECORDS
        while starts:
            starts = {topic: max(ends[topic][0], ends[topic][1] - back) for topic in starts}
            newest.update(self._newest_from(consumer, partition, starts))
            starts = {topic: start for topic, start in starts.items() if not newest[topic] and start > ends[topic][0]}
            back *= 8
        return newest

    def _newest_from(self, consumer: Consumer, partition: int, starts: Mapping[str, int]) -> dict[str, int]:
        """The highest checkpoint of each output from these offsets to its end, 0 where there is no record."""
        consumer.assign([TopicPartition(topic, partition, start) for topic, start in starts.items()])
        newest, left = dict.fromkeys(starts, 0), set(starts)
        heard = time.monotonic()
        while left and time.monotonic() - heard < STALL_SECONDS:
            if self._cancelled.is_set():
                raise CancelledTakeOverError
            for message in consume(consumer, ends=True):
                heard = time.monotonic()
                topic = message.topic() or ""
                if message.error() is not None:
                    left.discard(topic)
                elif topic in left:
                    headers = dict(message.headers() or [])
                    newest[topic] = max(newest[topic], int(headers.get(progress_format.CHECKPOINT_HEADER) or 0))
        if left:
            raise TimeoutError(f"the end of {sorted(left)} [{partition}] was not met")
        return newest


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
    with opened(config) as consumer:
        return recovery.read_progress(consumer, writer.partition, claim(writer, progress_topic, ()))[0]


def _values_of(log: Log) -> Taker:
    def take(_: bytes | None, value: bytes | None) -> None:
        if value is not None:
            log.restore(value)

    return take


def _difference(topic: str, known: TopicIdentity, now: TopicIdentity | None) -> str:
    if now is None:
        return f"{topic} is gone"
    if now.id != known.id:
        return f"{topic} was deleted and made again"
    return f"{topic} has {now.partitions} partitions and had {known.partitions}"

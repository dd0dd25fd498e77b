"""Writes checkpoints: one Kafka transaction each, by the transactional producer of one partition.

A checkpoint is written in these steps; a crash in any of them leaves
1. begin_transaction    nothing
2. produce every record an open transaction, which the next owner's init_transactions aborts
3. commit_transaction   all of it or nothing, by what the broker's coordinator had noted

The encoded records are kept until the outcome is known. After an error that leaves it unknown, a new producer fences
the old transaction, and the partition's progress tells whether it was committed.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from enum import Enum

from confluent_kafka import KafkaError, KafkaException, Producer

from stream.engine import crash_points
from stream.engine import progress as progress_format
from stream.engine.outbox import Record
from stream.engine.partition import Checkpoint
from stream.engine.progress import Progress

logger = logging.getLogger(__name__)

Headers = list[tuple[str, str | bytes | None]]

TRANSACTION_TIMEOUT_MS = 120_000
MOST_ATTEMPTS = 8
_COMMIT_SECONDS = 30.0
_INIT_SECONDS = 60.0
_ABORT_SECONDS = 1.0
_UNSURE_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0
_POLL_EVERY_RECORDS = 4_096
_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_QUEUE_RECORDS = 1_000_000
_QUEUE_KILOBYTES = 1 << 20


class Ownership(Enum):
    """Whether a partition is still this worker's."""

    OURS = "ours"
    UNSURE = "unsure"
    """The group has not answered for so long that it may have given the partition away."""
    GONE = "gone"


class Outcome(Enum):
    """What became of a checkpoint."""

    COMMITTED = "committed"
    LOST = "lost"
    """The partition is somebody else's: drop everything."""
    DIVERGED = "diverged"
    """The log's progress is neither this checkpoint's nor the one before: take over anew."""


class CheckpointFailedError(Exception):
    """A checkpoint that could not be written, after every attempt."""


class UnwritableCheckpointError(Exception):
    """A checkpoint that no attempt can write: its partition stops, the others go on."""


class CheckpointWriter:
    """The transactional producer of a partition. Its methods block: they run in a thread, one at a time.

    Only `close` may be called while another runs: whoever has the writer `in_use` then ends the producer at last.
    """

    def __init__(
        self,
        config: Mapping[str, str | int | float | bool],
        transactional_id: str,
        partition: int,
        progress_topic: str,
        read_progress: Callable[["CheckpointWriter"], Progress | None],
        ownership: Callable[[float], "Ownership"],
    ) -> None:
        self._config = {
            **config,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "linger.ms": 5,
            "batch.size": 1 << 20,
            "message.max.bytes": 4 << 20,
            "queue.buffering.max.messages": _QUEUE_RECORDS,
            "queue.buffering.max.kbytes": _QUEUE_KILOBYTES,
            "compression.type": "lz4",
            "delivery.report.only.error": True,
        }
        self.partition = partition
        self._progress_topic = progress_topic
        self._read_progress = read_progress
        self._ownership = ownership
        self._fenced_at = -math.inf
        self._producer: Producer | None = None
        self._lock = threading.Lock()
        self._in_use = self._closed = False

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Until this is over the producer is the caller's alone, and is not closed by others."""
        with self._lock:
            self._in_use = True
        try:
            yield
        finally:
            with self._lock:
                self._in_use = False
            if self._closed:
                self.close()

    def fence(self) -> bool:
        """Fence whoever wrote before, and abort what it left open; False when the partition is not ours."""
        self._producer = None
        # init_transactions is last-caller-wins: a stale owner must not call it.
        if not self._surely_ours():
            return False
        producer = Producer(self._config)
        # Asking for its coordinator over the connection by which it found the brokers, and which it then closes, costs
        # it half a second, in one start of three: the second answer comes over one that stays.
        for _ in range(2):
            producer.list_topics(self._progress_topic, _INIT_SECONDS)
        producer.init_transactions(_INIT_SECONDS)
        self._producer = producer
        return True

    def _surely_ours(self) -> bool:
        deadline = time.monotonic() + TRANSACTION_TIMEOUT_MS / 1_000
        while time.monotonic() < deadline:
            # Who was fenced has perhaps lost the partition since the group last answered.
            ownership = self._ownership(self._fenced_at)
            if ownership is not Ownership.UNSURE:
                return ownership is Ownership.OURS
            time.sleep(_UNSURE_PAUSE_SECONDS)
        raise CheckpointFailedError(f"partition {self.partition}: the group did not tell whose it is")

    def close(self) -> None:
        """Abort what is open, so that readers need not wait for its time-out, and end the producer."""
        with self._lock:
            self._closed = True
            if self._in_use:
                return
            producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaException):
                producer.abort_transaction(_ABORT_SECONDS)

    def transact(self, records: list[Record], header: bytes = b"") -> None:
        """Write records in one transaction, committing again while the error is retriable."""
        producer = self._producer
        if producer is None:
            raise CheckpointFailedError(f"partition {self.partition} has no fenced producer")
        producer.begin_transaction()
        crash_points.reach("checkpoint.begun")
        self._produce(producer, records, header)
        crash_points.reach("checkpoint.produced")
        _commit(producer)
        crash_points.reach("checkpoint.committed")

    def write(self, checkpoint: Checkpoint) -> Outcome:
        """Write a checkpoint once, whatever that takes."""
        with self.in_use():
            return self._write(checkpoint)

    def _write(self, checkpoint: Checkpoint) -> Outcome:
        records = [*checkpoint.complete(), *self._progress_records(checkpoint)]
        header = str(checkpoint.progress.version).encode()
        for attempt in range(MOST_ATTEMPTS):
            try:
                if self._producer is not None:
                    self.transact(records, header)
                    return Outcome.COMMITTED
                settled = self._settle(checkpoint)
                if settled is not None:
                    return settled
            except KafkaException as exception:
                error: KafkaError = exception.args[0]
                _refuse_deterministic(error, self.partition)
                if error.code() in _FENCED:
                    self._fenced_at = time.monotonic()
                logger.warning("partition %s, checkpoint %s: %s", self.partition, checkpoint.progress.checkpoint, error)
                self._producer = None
                time.sleep(min(_LONGEST_PAUSE_SECONDS, 0.1 * 2**attempt))
        raise CheckpointFailedError(
            f"partition {self.partition}, checkpoint {checkpoint.progress.checkpoint}: "
            f"not written after {MOST_ATTEMPTS} attempts"
        )

    def _settle(self, checkpoint: Checkpoint) -> Outcome | None:
        """After an unknown outcome: fence, then ask the log. None means: write it again."""
        if not self.fence():
            return Outcome.LOST
        found = self._read_progress(self)
        # The number alone would not tell: another owner may have written a checkpoint of the same one meanwhile.
        if found == checkpoint.progress:
            return Outcome.COMMITTED
        first = found is None and checkpoint.before.checkpoint == 0
        if first or found == checkpoint.before:
            return None
        return Outcome.DIVERGED

    def _progress_records(self, checkpoint: Checkpoint) -> list[Record]:
        encode, topic = progress_format.encode, self._progress_topic
        records: list[Record] = [(topic, progress_format.PROGRESS_KEY, encode(checkpoint.progress))]
        if checkpoint.topology is not None:
            records.append((topic, progress_format.TOPOLOGY_KEY, encode(checkpoint.topology)))
        return records

    def _produce(self, producer: Producer, records: list[Record], header: bytes) -> None:
        partition, produce = self.partition, producer.produce
        headers: Headers = [(progress_format.CHECKPOINT_HEADER, header)]
        for index, (topic, key, value) in enumerate(records):
            try:
                # Keyed rows carry their checkpoint in the value: a header on each would cost.
                if key is None:
                    produce(topic, value, partition=partition, headers=headers)
                else:
                    produce(topic, value, key, partition)
            except BufferError:
                self._produce_when_room(producer, topic, key, value, headers)
            if not index % _POLL_EVERY_RECORDS:
                producer.poll(0)

    def _produce_when_room(
        self, producer: Producer, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        deadline = time.monotonic() + _COMMIT_SECONDS
        while True:
            producer.poll(0.05)
            try:
                producer.produce(topic, value, key, self.partition, headers=headers)
            except BufferError:
                if time.monotonic() > deadline:
                    raise
            else:
                return


def _commit(producer: Producer) -> None:
    """Commit, and commit again while the broker asks for it."""
    deadline = time.monotonic() + TRANSACTION_TIMEOUT_MS / 1_000
    while True:
        try:
            producer.commit_transaction(_COMMIT_SECONDS)
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if not error.retriable() or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _refuse_deterministic(error: KafkaError, partition: int) -> None:
    """A record that the broker will never take is not worth another attempt."""
    if error.code() in (
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.INVALID_RECORD,
    ):
        raise UnwritableCheckpointError(f"partition {partition}: no attempt can write its checkpoint: {error.str()}")

"""Kafka as the sink sees it: a consumer in a group that commits by hand and sees committed transactions."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.topics import LARGEST_OUTPUT_BYTES
from sinks.records import Place, Record
from sinks.restarts import CommitNote, read_note

logger = logging.getLogger(__name__)

_ANSWER_SECONDS = 10.0
_PAUSE_SECONDS = 0.2
_SESSION_MS = 10_000


class End(NamedTuple):
    """The end of a partition, past the markers of transactions, which no record shows."""

    place: Place
    next_offset: int


class Committed(NamedTuple):
    """Where a partition goes on, what was committed with it, and how many offsets were deleted unread."""

    offset: int
    note: CommitNote | None
    lost: int
    metadata: str = ""


class Listener(Protocol):
    """Told of partitions that come and go, from within `poll`, in its thread."""

    def assigned(self, committed: Mapping[Place, Committed]) -> Mapping[Place, int]:
        """These are ours now; the answer is the offset at which to begin each."""

    def revoked(self, places: Sequence[Place]) -> None:
        """These are ours until this returns."""

    def lost(self, places: Sequence[Place]) -> None:
        """These are somebody else's already."""


class CommitFailedError(Exception):
    """Offsets were not committed; what they stand for is in ClickHouse all the same."""


class SeekFailedError(Exception):
    """A partition cannot be sought yet, as one that was assigned a moment ago: try again after the next poll."""


class Intake(Protocol):
    """A source of records, as the worker uses it."""

    def poll(self, count: int, seconds: float) -> list[Record | End]:
        """Up to `count` records, waiting for at most `seconds`."""

    def pause(self) -> None:
        """`poll` gives no more records, but keeps us in the group."""

    def resume(self) -> None:
        """`poll` gives records again."""

    def commit(self, offsets: Mapping[Place, tuple[int, str]]) -> None:
        """Offsets with their metadata; CommitFailedError if any is not committed."""

    def seek(self, offsets: Mapping[Place, int]) -> None:
        """Goes on from these offsets; SeekFailedError if any partition is not ready for that."""

    def close(self) -> None:
        """Leaves the group."""


class GroupSettings(Protocol):
    """What a consumer in a group needs to be told."""

    @property
    def client(self) -> dict[str, str | int | float | bool]: ...

    @property
    def group(self) -> str: ...


class KafkaIntake:
    """Records of some topics, shared with the others of the group."""

    def __init__(
        self,
        settings: GroupSettings,
        topics: Iterable[str],
        listener: Listener,
        client_id: str = "creditstream-sink",
    ) -> None:
        self._listener = listener
        self._consumer = Consumer({**_consumer_config(settings), "client.id": client_id}, logger=logger)
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def poll(self, count: int, seconds: float) -> list[Record | End]:
        taken = (self._taken(message) for message in self._consumer.consume(count, seconds))
        return [item for item in taken if item is not None]

    def pause(self) -> None:
        self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        self._consumer.resume(self._consumer.assignment())

    def commit(self, offsets: Mapping[Place, tuple[int, str]]) -> None:
        partitions = [TopicPartition(*place, offset, note) for place, (offset, note) in offsets.items()]
        try:
            results = self._consumer.commit(offsets=partitions, asynchronous=False)
        except KafkaException as error:
            raise CommitFailedError(str(error)) from error
        errors = [str(result.error) for result in results if result.error is not None]
        if errors:
            raise CommitFailedError(errors[0])

    def seek(self, offsets: Mapping[Place, int]) -> None:
        for place, offset in offsets.items():
            try:
                self._consumer.seek(TopicPartition(*place, offset))
            except KafkaException as error:
                raise SeekFailedError(f"{place.topic}/{place.partition} to {offset}: {error}") from error

    def close(self) -> None:
        self._consumer.close()

    def _taken(self, message: Message) -> Record | End | None:
        error = message.error()
        place = Place(message.topic() or "", message.partition() or 0)
        if error is None:
            return Record(place, message.offset() or 0, message.timestamp()[1], message.key(), message.value())
        if error.code() == KafkaError._PARTITION_EOF:
            return End(place, message.offset() or 0)
        if error.fatal():
            raise KafkaException(error)
        logger.warning("Kafka: %s (if a topic is missing, run `python -m stream create-topics`)", error.str())
        return None

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            committed = _committed(consumer, partitions)
        except KafkaException as error:
            committed = self._unknown([Place(partition.topic, partition.partition) for partition in partitions], error)
        starts = self._listener.assigned(committed)
        consumer.incremental_assign(
            [TopicPartition(place.topic, place.partition, offset) for place, offset in starts.items()]
        )

    def _unknown(self, places: Sequence[Place], error: KafkaException) -> Mapping[Place, Committed]:
        logger.warning("committed offsets cannot be read, so all is read again: %s", error)
        return {place: Committed(0, None, 0) for place in places}

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._listener.revoked([Place(partition.topic, partition.partition) for partition in partitions])

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._listener.lost([Place(partition.topic, partition.partition) for partition in partitions])


def _consumer_config(settings: GroupSettings) -> dict[str, Any]:
    return {
        **settings.client,
        "group.id": settings.group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Right for absolute rows, and for them alone: what is read again changes nothing, and beginning
        # anywhere later would leave rows out. Offsets deleted unread are told when a partition is assigned.
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
        # The default of 45 s is how long a killed sink would keep its partitions from the next.
        "session.timeout.ms": _SESSION_MS,
        "enable.partition.eof": True,
        "allow.auto.create.topics": False,
        "topic.metadata.refresh.interval.ms": 10_000,
        "queued.max.messages.kbytes": 32 << 10,
        "max.partition.fetch.bytes": LARGEST_OUTPUT_BYTES,
        "fetch.wait.max.ms": 250,
    }


def _committed(consumer: Consumer, partitions: list[TopicPartition]) -> Mapping[Place, Committed]:
    places = [Place(partition.topic, partition.partition) for partition in partitions]
    # A broker that has just come back does not lead its partitions yet: reading all again would cost more.
    deadline = time.monotonic() + _ANSWER_SECONDS
    while True:
        try:
            found = consumer.committed(partitions, _ANSWER_SECONDS) if partitions else []
            return {place: _begin(consumer, partition) for place, partition in zip(places, found, strict=True)}
        except KafkaException:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


def _begin(consumer: Consumer, committed: TopicPartition) -> Committed:
    first, _ = consumer.get_watermark_offsets(committed, _ANSWER_SECONDS)
    if committed.offset < 0:
        return Committed(first, None, 0)
    metadata = committed.metadata or ""
    return Committed(committed.offset, read_note(metadata), max(0, first - committed.offset), metadata)

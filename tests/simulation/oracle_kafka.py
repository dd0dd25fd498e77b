"""Reads a cluster's inputs and rate cards as they are, from the first record to the last."""

from collections.abc import Iterator, Sequence
from time import monotonic

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from schemas.topics import TopicNames
from tests.simulation.oracle_records import RawRecord, TopicKind

_LONGEST_SILENCE_S = 60.0


def count_partitions(bootstrap_servers: str, topics: TopicNames) -> int:
    """How many partitions usage.events has."""
    consumer = _consumer(bootstrap_servers)
    try:
        metadata = consumer.list_topics(topics.usage_events, timeout=30)
        return len(metadata.topics[topics.usage_events].partitions)
    finally:
        consumer.close()


def read_all(bootstrap_servers: str, topics: TopicNames, partitions: int) -> list[RawRecord]:
    """Every record of usage.events and credits.commands that is committed and kept."""
    kinds: tuple[TopicKind, ...] = ("usage", "commands")
    return [record for kind in kinds for record in read_input(bootstrap_servers, topics, kind, range(partitions))]


def read_input(
    bootstrap_servers: str, topics: TopicNames, kind: TopicKind, partitions: Sequence[int]
) -> Iterator[RawRecord]:
    """Every committed record of these partitions of an input; of one partition, in order."""
    topic = topics.usage_events if kind == "usage" else topics.commands
    for message in _read(bootstrap_servers, topic, partitions):
        stamp, timestamp_ms = message.timestamp()
        if stamp != TIMESTAMP_LOG_APPEND_TIME:
            raise ValueError(f"{topic} does not stamp records with the broker's append time: recreate the topic")
        key, value = _bytes(message.key()), _bytes(message.value())
        yield RawRecord(kind, message.partition() or 0, message.offset() or 0, timestamp_ms, key, value)


def read_rate_cards(bootstrap_servers: str, topics: TopicNames) -> list[bytes]:
    """The last value published under each key, as raw JSON."""
    latest: dict[bytes | None, bytes | None] = {}
    for message in _read(bootstrap_servers, topics.rate_cards, [0]):
        latest[_bytes(message.key())] = _bytes(message.value())
    return [value for value in latest.values() if value is not None]


def _read(bootstrap_servers: str, topic: str, partitions: Sequence[int]) -> Iterator[Message]:
    consumer = _consumer(bootstrap_servers)
    try:
        starts = [TopicPartition(topic, number) for number in partitions]
        for start in starts:
            start.offset = consumer.get_watermark_offsets(start, timeout=30)[0]
        consumer.assign(starts)
        unread, heard_at = set(partitions), monotonic()
        while unread:
            messages = consumer.consume(5000, timeout=0.2)
            if messages:
                heard_at = monotonic()
            elif monotonic() - heard_at > _LONGEST_SILENCE_S:
                raise TimeoutError(f"{topic}: partitions {sorted(unread)} did not end in {_LONGEST_SILENCE_S} s")
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition() or 0)
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()


def _consumer(bootstrap_servers: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "oracle",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value

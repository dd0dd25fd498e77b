"""Reads dead letters, and which of them were replayed: committed records, to where the topic ends now."""

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from msgspec import MsgspecError

from schemas.codec import decode_dead_letter
from schemas.dead_letter import DeadLetter

_ANSWER_SECONDS = 30.0
_WAIT_SECONDS = 0.05
_BATCH_RECORDS = 500
_LONGEST_SILENCE_SECONDS = 60.0


class LetterPlace(NamedTuple):
    """Where a dead letter is in its topic; written `partition/offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"


class Letter(NamedTuple):
    """A dead letter and its place."""

    place: LetterPlace
    letter: DeadLetter


class UnreadableTopicError(Exception):
    """A topic that cannot be read; the text says which, and why."""


class TopicReader:
    """Reads whole topics; joins no group."""

    def __init__(self, kafka: Mapping[str, str | int | float | bool], group: str) -> None:
        self._config: dict[str, str | int | float | bool] = {
            **kafka,
            # Named, as librdkafka wants it, but never joined: partitions are assigned by hand.
            "group.id": group,
            "log_level": 0,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 16 << 10,
        }

    def letters(self, topic: str) -> Iterator[Letter]:
        """Every dead letter; one that cannot be read is an UnreadableTopicError."""
        for message in self.records(topic):
            place = LetterPlace(message.partition() or 0, message.offset() or 0)
            try:
                yield Letter(place, decode_dead_letter(message.value() or b""))
            except MsgspecError as error:
                raise UnreadableTopicError(f"{topic}/{place} is no dead letter: {error}") from None

    def records(self, topic: str) -> Iterator[Message]:
        """Every record, one partition after the other; what comes meanwhile is not read."""
        consumer = Consumer(self._config)
        try:
            for partition in _partitions(consumer, topic):
                first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), _ANSWER_SECONDS)
                if first < end:
                    consumer.assign([TopicPartition(topic, partition, first)])
                    yield from _until(consumer, topic, partition, end)
        except KafkaException as error:
            told = error.args[0].str()
            raise UnreadableTopicError(
                f"topic {topic} cannot be read: {told} (python -m stream create-topics?)"
            ) from None
        finally:
            consumer.close()


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    found = consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return sorted(found.partitions)


def _until(consumer: Consumer, topic: str, partition: int, end: int) -> Iterator[Message]:
    heard_at = time.monotonic()
    while True:
        messages = consumer.consume(_BATCH_RECORDS, _WAIT_SECONDS)
        if messages:
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > _LONGEST_SILENCE_SECONDS:
            raise UnreadableTopicError(
                f"{topic}/{partition} was silent for {_LONGEST_SILENCE_SECONDS:.0f} s: try again"
            )
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return
                if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
                    raise KafkaException(error)
            elif (message.offset() or 0) >= end:
                return
            else:
                yield message

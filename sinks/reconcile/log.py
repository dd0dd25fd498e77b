"""Reads committed records of topics, partition by partition, from one offset to another; joins no group."""

import logging
import time
from collections.abc import Generator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.kafka_refusal import Refusal
from sinks.reconcile.settings import ReconcileSettings

logger = logging.getLogger(__name__)

_BATCH_RECORDS = 2_000
_WAIT_SECONDS = 0.05
_ANSWER_SECONDS = 30.0
_LONGEST_SILENCE_SECONDS = 60.0
# The end of a partition is told after so long.
_FETCH_WAIT_MS = 50
_QUEUED_KILOBYTES = 16 << 10


class LogError(Exception):
    """A topic that cannot be read; the text says which, and what to look at."""


class Log:
    """The topics of one cluster."""

    def __init__(self, settings: ReconcileSettings) -> None:
        self._refusal = Refusal()
        self._config: dict[str, Any] = {
            **settings.client,
            # Named, as librdkafka wants it, but never joined: partitions are assigned by hand.
            "group.id": f"{settings.topic_prefix}{settings.app}-reconcile",
            "client.id": "creditstream-reconcile",
            "log_level": 0,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
            "queued.max.messages.kbytes": _QUEUED_KILOBYTES,
            "fetch.wait.max.ms": _FETCH_WAIT_MS,
            "error_cb": self._refusal,
        }
        self._asking = Consumer(self._config)
        self._committed = Consumer({**self._config, "group.id": settings.sink_group})

    def close(self) -> None:
        self._asking.close()
        self._committed.close()

    def partitions(self, topic: str) -> int:
        """How many a topic has."""
        try:
            found = self._asking.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
        except KafkaException as error:
            raise self._error(topic, error) from None
        if found.error is not None:
            raise self._error(topic, KafkaException(found.error))
        return len(found.partitions)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset that is kept, and the last stable one: transactions before it are decided."""
        try:
            return self._asking.get_watermark_offsets(TopicPartition(topic, partition), _ANSWER_SECONDS)
        except KafkaException as error:
            raise self._error(topic, error) from None

    def offset_at(self, topic: str, partition: int, appended_ms: int, otherwise: int) -> int:
        """The first offset that was appended at that time or later; `otherwise` if there is none yet."""
        try:
            (found,) = self._asking.offsets_for_times([TopicPartition(topic, partition, appended_ms)], _ANSWER_SECONDS)
        except KafkaException as error:
            raise self._error(topic, error) from None
        return found.offset if found.offset >= 0 else otherwise

    def committed(self, topic: str, partition: int) -> int:
        """The offset that the sink has committed; -1 for none."""
        try:
            (found,) = self._committed.committed([TopicPartition(topic, partition)], _ANSWER_SECONDS)
        except KafkaException as error:
            raise self._error(topic, error) from None
        return max(found.offset, -1)

    def records(self, topic: str, partition: int, first: int, end: int) -> Generator[Message]:
        """Every committed record from `first` on and before `end`, which must be stable."""
        if first >= end:
            return
        consumer = Consumer(self._config)
        try:
            consumer.assign([TopicPartition(topic, partition, first)])
            heard_at = time.monotonic()
            while True:
                messages = consumer.consume(_BATCH_RECORDS, _WAIT_SECONDS)
                if messages:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > _LONGEST_SILENCE_SECONDS:
                    raise LogError(f"{topic}/{partition} was silent for {_LONGEST_SILENCE_SECONDS:.0f} s: try again")
                for message in messages:
                    error = message.error()
                    if error is not None:
                        if error.code() == KafkaError._PARTITION_EOF:
                            return
                        if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
                            raise self._error(topic, KafkaException(error))
                        logger.debug("%s/%d: %s", topic, partition, error)
                    elif (message.offset() or 0) >= end:
                        return
                    else:
                        yield message
        except KafkaException as error:
            raise self._error(topic, error) from None
        finally:
            consumer.close()

    def _error(self, topic: str, error: KafkaException) -> LogError:
        # Only now is what was told beside it handed over.
        self._asking.poll(0)
        return LogError(f"topic {topic}: {error.args[0].str()}. {self._refusal.advice()}")

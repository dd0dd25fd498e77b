"""Sends records and learns of every one whether it arrived: bounded, for the tools of this package."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from producers.cloud_events import CLOUDEVENTS_HEADERS
from producers.reporter_options import ProducerFactory
from schemas.kafka_refusal import Refusal

LARGEST_MESSAGE_BYTES = 4 << 20
_MILLISECONDS_TO_FIND_A_TOPIC = 5_000
_ANY_PARTITION = -1
_RECORDS_PER_POLL = 512
_SECONDS_FOR_ROOM = 1.0
_SECONDS_REFUSED = 5.0


class UndeliveredError(Exception):
    """Records that Kafka does not have: how many, and what it said of the first."""


class Sender:
    """A producer with at most `max_queued` records waiting; when it is full, `send` waits.

    `kafka_config` adds librdkafka's settings for TLS and SASL, as KafkaSettings.security has them.
    Leaving its block delivers what is queued, or raises UndeliveredError; an exception in the block discards
    it.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        kafka_config: Mapping[str, object] | None = None,
        max_queued: int = 100_000,
        delivery_timeout_seconds: float = 60.0,
        make_producer: ProducerFactory = Producer,
    ) -> None:
        self._failed = 0
        self._first_failure = ""
        self._refusal = Refusal()
        self._until_poll = _RECORDS_PER_POLL
        self._producer = make_producer(
            {
                "bootstrap.servers": bootstrap_servers,
                **(kafka_config or {}),
                "client.id": "creditstream-producers",
                # Java's partitioner: see ReporterQueue.
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 20,
                "message.max.bytes": LARGEST_MESSAGE_BYTES,
                "queue.buffering.max.messages": max_queued,
                # What it would print is said once, by UndeliveredError.
                "log_level": 0,
                "topic.metadata.propagation.max.ms": _MILLISECONDS_TO_FIND_A_TOPIC,
                "delivery.timeout.ms": int(delivery_timeout_seconds * 1000),
                "delivery.report.only.error": True,
                "on_delivery": self._delivered,
                "error_cb": self._refusal,
            }
        )

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        partition: int | None = None,
        *,
        cloud_event: bool = True,
    ) -> None:
        """Queues one record; raises UndeliveredError once one before it has failed."""
        headers = CLOUDEVENTS_HEADERS if cloud_event else []
        to_partition = _ANY_PARTITION if partition is None else partition
        while True:
            try:
                self._producer.produce(topic, value, key, to_partition, headers=headers)
            except BufferError:
                self._producer.poll(_SECONDS_FOR_ROOM)
            except KafkaException as error:
                raise UndeliveredError(f"a record of {len(value)} bytes for {topic}: {error.args[0].str()}") from None
            else:
                break
        self._until_poll -= 1
        if self._until_poll <= 0:
            self._until_poll = _RECORDS_PER_POLL
            self._producer.poll(0)
            self._raise_failures()

    def finish(self) -> None:
        """Waits until all is delivered; UndeliveredError if some was not."""
        left = len(self._producer)
        while still_left := self._producer.flush(_SECONDS_REFUSED):
            if self._refusal.reason and still_left >= left:
                # Wrong credentials stay wrong: there is nothing to wait for.
                self._producer.purge()
            left = still_left
        self._raise_failures()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, raised: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if raised is None:
            self.finish()
        else:
            self._producer.purge()
            self._producer.flush(1)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        self._failed += 1
        if self._failed == 1:
            self._first_failure = f"key {message.key()!r} for {message.topic()}: {error.str()}"

    def _raise_failures(self) -> None:
        if self._failed:
            raise UndeliveredError(
                f"{self._failed} records were not delivered, the first with {self._first_failure}. "
                f"{self._refusal.advice()}"
            )

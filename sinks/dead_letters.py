"""What the sink cannot write is told to a topic, with the bytes, the place, the reason and the fix."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.codec import encode_json
from schemas.dead_letter import LARGEST_DEAD_LETTER_BYTES, DeadLetter, Reason
from schemas.topics import LARGEST_OUTPUT_BYTES
from sinks.batch import TableRows
from sinks.insertable import insertable
from sinks.isolation import RefusedRow
from sinks.records import Record

Delivered = Callable[[KafkaError | None, Message], None]

_DELIVERY_SECONDS = 30.0
_LONGEST_DETAIL = 2_000


class DeadLettersAwayError(Exception):
    """Dead letters could not be delivered to Kafka: they are worth another try."""


class Publisher(Protocol):
    """Delivers dead letters."""

    def publish(self, letters: Sequence[DeadLetter]) -> None:
        """All of them are in Kafka when this returns; DeadLettersAwayError otherwise."""


class OfAccount(Protocol):
    """A letter that is keyed by account."""

    @property
    def account(self) -> str: ...


class KafkaPublisher:
    """Delivers dead letters to a topic, acknowledged by every in-sync replica."""

    def __init__(
        self,
        client: Mapping[str, str | int | float | bool],
        topic: str,
        client_id: str = "creditstream-sink",
        delivery_seconds: float = _DELIVERY_SECONDS,
    ) -> None:
        self._topic = topic
        self._delivery_seconds = delivery_seconds
        self._producer = Producer(
            {
                **client,
                "client.id": client_id,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "message.max.bytes": LARGEST_OUTPUT_BYTES,
                "message.timeout.ms": int(delivery_seconds * 1000),
                "queue.buffering.max.messages": 10_000,
                "compression.type": "lz4",
            }
        )

    def publish(self, letters: Sequence[OfAccount]) -> None:
        failures: list[str] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failures.append(str(error))

        for letter in letters:
            self._produce(letter, delivered)
        undelivered = self._producer.flush(self._delivery_seconds + 5)
        if failures or undelivered:
            reason = failures[0] if failures else f"{undelivered} were not acknowledged in time"
            raise DeadLettersAwayError(f"dead letters could not be delivered to {self._topic}: {reason}")

    def _produce(self, letter: OfAccount, delivered: Delivered) -> None:
        key = letter.account.encode() or None
        while True:
            try:
                self._producer.produce(self._topic, encode_json(letter), key, on_delivery=delivered)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise DeadLettersAwayError(f"dead letters cannot be sent to {self._topic}: {error}") from error
            else:
                return


def undecodable(record: Record, message: str, now_ms: int) -> DeadLetter:
    """The dead letter of a record whose bytes cannot be read."""
    value = record.value or b""
    return DeadLetter(
        reason=Reason.UNDECODABLE,
        detail=f"the record cannot be read: {message}"[:_LONGEST_DETAIL],
        fix="Find what wrote it (a sink must not be older than the worker), then write the record again.",
        topic=record.place.topic,
        partition=record.place.partition,
        offset=record.offset,
        ingested_at_ms=max(record.timestamp_ms, 0),
        booked_at_ms=now_ms,
        account="",
        key=record.key,
        value=value[:LARGEST_DEAD_LETTER_BYTES],
        value_bytes=len(value),
        value_sha256=hashlib.sha256(value).hexdigest(),
    )


def refused(rows: TableRows, refusal: RefusedRow, now_ms: int) -> DeadLetter:
    """The dead letter of a row that ClickHouse refuses; its value is the row in JSON."""
    origin = rows.origin(refusal.row)
    fields = rows.row(refusal.row)
    value = insertable(rows.table.columns, fields)
    return DeadLetter(
        reason=Reason.REFUSED_BY_CLICKHOUSE,
        detail=f"a row of {rows.table.name} was refused: {refusal.message}"[:_LONGEST_DETAIL],
        fix="Correct the table or the row, then insert the value of this dead letter into the table.",
        topic=origin.place.topic,
        partition=origin.place.partition,
        offset=origin.offset,
        ingested_at_ms=max(origin.timestamp_ms, 0),
        booked_at_ms=now_ms,
        account=str(fields.get("account", "")),
        key=None,
        value=value[:LARGEST_DEAD_LETTER_BYTES],
        value_bytes=len(value),
        value_sha256=hashlib.sha256(value).hexdigest(),
    )

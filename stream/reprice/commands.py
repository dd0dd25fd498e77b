"""Sends a command for each event: under an id of its own, so that whatever is sent twice is carried out once."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.codec import encode_json
from schemas.command import Command
from schemas.correction_command import BookedEvent, Reprice
from schemas.identifiers import RateCardVersion
from stream.reprice.priced import Repriced

SOURCE = "reprice"
_NAMESPACE = uuid.UUID("6f9e6ad8-2c1f-5d0b-9a55-6d6f3f0b7c11")
_MOST_QUEUED = 10_000
_SECONDS = 60.0
_HEADERS: list[tuple[str, str | bytes | None]] = [("content-type", "application/cloudevents+json; charset=UTF-8")]


class UnsentError(Exception):
    """Commands that Kafka does not have; what it has is known the next time."""


def command_of(repriced: Repriced, rate_card: str, now: datetime) -> Command:
    """The command that prices an event by a card; its id is that of the event and the card."""
    charge = repriced.charge
    name = encode_json((charge.account, charge.source, charge.id, repriced.partition, charge.offset, rate_card))
    event = BookedEvent(charge.source, charge.id, repriced.partition, charge.offset)
    data = Reprice(event, RateCardVersion(rate_card))
    return Command(str(uuid.uuid5(_NAMESPACE, name.decode())), SOURCE, charge.account, now, data)


class Commands:
    """Writes to credits.commands, with at most some thousand records on their way."""

    def __init__(self, kafka: Mapping[str, str | int | float | bool], topic: str) -> None:
        self._topic = topic
        self._failed: KafkaError | None = None
        self._producer = Producer(
            {
                **kafka,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 20,
                "queue.buffering.max.messages": _MOST_QUEUED,
                "delivery.timeout.ms": int(_SECONDS * 1_000),
                "log_level": 0,
                "on_delivery": self._delivered,
            }
        )

    def send(self, repriced: Iterable[Repriced], rate_card: str) -> int:
        """How many were sent, all of which Kafka has when this returns; UnsentError where that is not known."""
        count = 0
        for each in repriced:
            command = command_of(each, rate_card, datetime.now(UTC))
            self._produce(command.subject.encode(), encode_json(command))
            count += 1
        if self._producer.flush(_SECONDS):
            raise UnsentError("Kafka did not take all commands in time. Run it again: what was sent is known")
        self._raise_failure()
        return count

    def _produce(self, key: bytes, value: bytes) -> None:
        while True:
            self._raise_failure()
            try:
                self._producer.produce(self._topic, value, key, headers=_HEADERS)
            except BufferError:
                self._producer.poll(1.0)
            except KafkaException as error:
                raise UnsentError(f"{self._topic}: {error.args[0].str()}") from None
            else:
                self._producer.poll(0)
                return

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._failed = self._failed or error

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise UnsentError(f"{self._topic}: {self._failed.str()}. Run it again: what was sent is known")

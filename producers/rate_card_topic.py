"""The topic of rate cards: what is in it, and how a row is written to it."""

import time
import uuid
from collections.abc import Mapping

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from producers.sender import Sender
from producers.settling import when_settled
from schemas.codec import decode_rate_card, encode_json
from schemas.kafka_refusal import Refusal
from schemas.rate_card import RateCard

_PARTITION = 0
_SECONDS_TO_READ = 30.0
_SECONDS_TO_FIND_END = 10.0
_SECONDS_A_POLL = 0.5
_RECORDS_A_POLL = 500


class RateCardTopicError(Exception):
    """The topic of rate cards cannot be read."""


def read_published(
    bootstrap_servers: str, topic: str, kafka_config: Mapping[str, object] | None = None
) -> list[RateCard]:
    """Every card in the topic, withdrawn ones included, each as its last row has it."""
    refusal = Refusal()
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            **(kafka_config or {}),
            # Named, as librdkafka wants it, but never joined: partitions are assigned by hand.
            "group.id": f"creditstream-rate-cards-{uuid.uuid4().hex}",
            "log_level": 0,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "error_cb": refusal,
        }
    )
    try:
        return _read(consumer, topic)
    except KafkaException as error:
        # Only now is what was told beside it handed over.
        consumer.poll(0)
        raise RateCardTopicError(
            f"topic {topic} at {bootstrap_servers} cannot be read: {error.args[0].str()}. {refusal.advice()}"
        ) from None
    finally:
        consumer.close()


def write_rows(
    bootstrap_servers: str, topic: str, rows: list[RateCard], kafka_config: Mapping[str, object] | None = None
) -> None:
    """Writes the rows and waits until Kafka has them; UndeliveredError if it has not."""
    with Sender(bootstrap_servers, kafka_config=kafka_config) as sender:
        for row in rows:
            key = f"{row.line}/{row.version}".encode()
            sender.send(topic, key, encode_json(row), _PARTITION, cloud_event=False)


def _read(consumer: Consumer, topic: str) -> list[RateCard]:
    here = TopicPartition(topic, _PARTITION)
    start, end = when_settled(lambda: consumer.get_watermark_offsets(here, timeout=_SECONDS_TO_FIND_END))
    consumer.assign([TopicPartition(topic, _PARTITION, start)])
    until = time.monotonic() + _SECONDS_TO_READ
    cards: dict[bytes | None, RateCard] = {}
    while consumer.position([here])[0].offset < end and start < end:
        for message in consumer.consume(_RECORDS_A_POLL, _SECONDS_A_POLL):
            if (error := message.error()) is not None:
                raise KafkaException(error)
            cards[message.key()] = _card(topic, message.offset(), message.value())
        if time.monotonic() >= until:
            raise RateCardTopicError(f"topic {topic} was not read to its end within {_SECONDS_TO_READ:g} s")
    return list(cards.values())


def _card(topic: str, offset: int | None, value: bytes | None) -> RateCard:
    try:
        return decode_rate_card(value or b"")
    except msgspec.MsgspecError as error:
        raise RateCardTopicError(f"topic {topic}, offset {offset}: is not a rate card: {error}") from None

"""What creditstream relies on in Kafka, shown on whichever broker the tests have."""

import time
import uuid

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from tests.conftest import CreateTopics
from tests.servers import KafkaServer
from tests.topics import delete_topics, make_topics, topic_id

WAIT_SECONDS = 30


def make_topic(kafka: KafkaServer, name: str, **config: str) -> str:
    settings = {key.replace("_", "."): value for key, value in config.items()}
    make_topics(kafka.bootstrap_servers, [NewTopic(name, 1, 1, config=settings)])
    return name


def transactional_producer(kafka: KafkaServer, transactional_id: str) -> Producer:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": transactional_id})
    producer.init_transactions(WAIT_SECONDS)
    return producer


def send(kafka: KafkaServer, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(WAIT_SECONDS) == 0


def read_to_end(kafka: KafkaServer, topic: str, isolation: str) -> list[Message]:
    """Everything that a reader of this isolation level sees before the end of the partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": f"reader-{uuid.uuid4()}",
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages: list[Message] = []
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is None:
                messages.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                return messages
            else:
                raise KafkaException(error)
    finally:
        consumer.close()
    raise AssertionError(f"the end of {topic} was not reached within {WAIT_SECONDS} s")


def test_a_committed_transaction_is_seen_and_an_aborted_one_is_not(kafka: KafkaServer, topic_prefix: str) -> None:
    """read_committed gives the committed values alone; read_uncommitted gives the aborted ones too."""
    topic = make_topic(kafka, f"{topic_prefix}transactions")
    producer = transactional_producer(kafka, f"{topic_prefix}writer")
    producer.begin_transaction()
    producer.produce(topic, b"committed")
    producer.commit_transaction(WAIT_SECONDS)
    producer.begin_transaction()
    producer.produce(topic, b"aborted")
    producer.flush(WAIT_SECONDS)
    producer.abort_transaction(WAIT_SECONDS)
    assert [message.value() for message in read_to_end(kafka, topic, "read_committed")] == [b"committed"]
    assert [message.value() for message in read_to_end(kafka, topic, "read_uncommitted")] == [b"committed", b"aborted"]


def test_an_open_transaction_hides_what_follows_it(kafka: KafkaServer, topic_prefix: str) -> None:
    """A read_committed reader stops at the last stable offset, before records of anybody else."""
    topic = make_topic(kafka, f"{topic_prefix}open")
    producer = transactional_producer(kafka, f"{topic_prefix}writer")
    producer.begin_transaction()
    producer.produce(topic, b"open")
    producer.flush(WAIT_SECONDS)
    send(kafka, topic, b"after")
    assert read_to_end(kafka, topic, "read_committed") == []
    producer.commit_transaction(WAIT_SECONDS)
    assert [message.value() for message in read_to_end(kafka, topic, "read_committed")] == [b"open", b"after"]


def test_a_second_owner_of_a_transactional_id_fences_the_first(kafka: KafkaServer, topic_prefix: str) -> None:
    """init_transactions of the new owner aborts what the old one left open, and the old one can commit no more."""
    topic = make_topic(kafka, f"{topic_prefix}fencing")
    old = transactional_producer(kafka, f"{topic_prefix}owner")
    old.begin_transaction()
    old.produce(topic, b"old")
    old.flush(WAIT_SECONDS)
    new = transactional_producer(kafka, f"{topic_prefix}owner")
    with pytest.raises(KafkaException) as caught:
        old.commit_transaction(WAIT_SECONDS)
    assert caught.value.args[0].fatal()
    assert caught.value.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    new.begin_transaction()
    new.produce(topic, b"new")
    new.commit_transaction(WAIT_SECONDS)
    assert [message.value() for message in read_to_end(kafka, topic, "read_committed")] == [b"new"]


def test_the_broker_stamps_usage_events_when_it_appends_them(kafka: KafkaServer, create_topics: CreateTopics) -> None:
    """The timestamp that a producer gives is replaced, since the ledger's clock is the broker's."""
    names = create_topics(partitions=1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(names.usage_events, b"{}", timestamp=1_000)
    assert producer.flush(WAIT_SECONDS) == 0
    (message,) = read_to_end(kafka, names.usage_events, "read_committed")
    kind, milliseconds = message.timestamp()
    assert kind == 2, "2 is LogAppendTime"
    assert abs(milliseconds / 1000 - time.time()) < WAIT_SECONDS


def test_topics_are_created_with_the_settings_of_their_specs(kafka: KafkaServer, create_topics: CreateTopics) -> None:
    """The broker tells compaction, timestamps and sizes back as they were asked for."""
    names = create_topics(partitions=2)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})

    def config(topic: str) -> dict[str, str]:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        return {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result().items()}

    changelog = config(names.balances_changelog)
    assert changelog["cleanup.policy"] == "compact"
    assert changelog["segment.bytes"] == str(64 << 20)
    assert changelog["max.compaction.lag.ms"] == str(30 * 60_000)
    assert config(names.usage_events)["message.timestamp.type"] == "LogAppendTime"
    assert config(names.usage_events)["cleanup.policy"] == "delete"
    assert config(names.usage_events)["max.message.bytes"] == str(4 << 20)


def test_a_topic_made_again_under_its_name_has_another_id(kafka: KafkaServer, topic_prefix: str) -> None:
    """describe_topics shows the topic's id, which tells a recreated topic from the one before."""
    name = make_topic(kafka, f"{topic_prefix}recreated")
    first = topic_id(kafka.bootstrap_servers, name)
    assert topic_id(kafka.bootstrap_servers, name) == first
    delete_topics(kafka.bootstrap_servers, [name])
    make_topic(kafka, name)
    assert topic_id(kafka.bootstrap_servers, name, other_than=first) != first


def test_nothing_is_created_by_writing_to_it(kafka: KafkaServer, topic_prefix: str) -> None:
    """A topic that does not exist stays so: automatic creation is off."""
    errors: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "topic.metadata.propagation.max.ms": 0})
    producer.produce(f"{topic_prefix}absent", b"x", on_delivery=lambda error, _message: errors.append(error))
    producer.flush(WAIT_SECONDS)
    (error,) = errors
    assert error is not None
    assert error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


def test_a_record_of_two_megabytes_is_taken_by_usage_events(kafka: KafkaServer, create_topics: CreateTopics) -> None:
    """Input larger than what is accepted still arrives, so that it can become a dead letter."""
    names = create_topics(partitions=1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "message.max.bytes": 4 << 20})
    producer.produce(names.usage_events, b"x" * (2 << 20))
    assert producer.flush(WAIT_SECONDS) == 0
    (message,) = read_to_end(kafka, names.usage_events, "read_committed")
    assert len(message.value() or b"") == 2 << 20

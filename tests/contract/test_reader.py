"""What the reader relies on in librdkafka, on whichever broker the tests have."""

import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.servers import KafkaServer
from tests.topics import delete_topics, make_topics

WAIT_SECONDS = 30.0
QUIET_SECONDS = 0.3


@pytest.fixture
def topic(kafka: KafkaServer, topic_prefix: str) -> Iterator[str]:
    """A topic of two partitions, the first of which holds ten records."""
    name = f"{topic_prefix}read"
    make_topics(kafka.bootstrap_servers, [NewTopic(name, 2, 1)])
    send(kafka, name, 0, range(10))
    yield name
    delete_topics(kafka.bootstrap_servers, [name])


@pytest.fixture
def consumer(kafka: KafkaServer) -> Iterator[Consumer]:
    """A consumer set up as the reader's."""
    made = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": "contract",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
        }
    )
    yield made
    made.close()


def send(kafka: KafkaServer, topic: str, partition: int, numbers: range) -> None:
    """One record for each number."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number in numbers:
        producer.produce(topic, str(number).encode(), partition=partition)
    assert producer.flush(WAIT_SECONDS) == 0


def read_until(consumer: Consumer, holds: Callable[[list[Message]], bool]) -> list[Message]:
    """Everything consumed until it holds, errors included."""
    found: list[Message] = []
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds(found):
        assert time.monotonic() < deadline, found
        found += consumer.consume(100, 0.1)
    return found


def codes(messages: list[Message]) -> list[int]:
    """The errors among them."""
    return [error.code() for each in messages if (error := each.error()) is not None]


def values(messages: list[Message]) -> list[int]:
    """The records among them."""
    return [int(each.value() or b"") for each in messages if each.error() is None]


def ended(partitions: int) -> Callable[[list[Message]], bool]:
    """Whether so many ends of partitions were met."""
    return lambda messages: codes(messages).count(KafkaError._PARTITION_EOF) >= partitions


def test_a_partition_is_read_from_the_offset_it_was_assigned_with(consumer: Consumer, topic: str) -> None:
    """Whatever the group has committed; nobody joins a group."""
    consumer.incremental_assign([TopicPartition(topic, 0, 7)])
    assert values(read_until(consumer, ended(1))) == [7, 8, 9]


def test_the_end_comes_after_every_record_before_it(kafka: KafkaServer, consumer: Consumer, topic: str) -> None:
    """A lane that met it holds all that there was; and it comes again after each arrival."""
    consumer.incremental_assign([TopicPartition(topic, 0, 0)])
    first = read_until(consumer, ended(1))
    assert first[-1].error() is not None
    assert values(first) == list(range(10))
    send(kafka, topic, 0, range(10, 12))
    again = read_until(consumer, ended(1))
    assert again[-1].error() is not None
    assert values(again) == [10, 11]


def test_an_empty_partition_has_an_end_too(consumer: Consumer, topic: str) -> None:
    """Or the merge would wait for it for ever."""
    consumer.incremental_assign([TopicPartition(topic, 1, 0)])
    assert codes(read_until(consumer, ended(1))) == [KafkaError._PARTITION_EOF]


@pytest.mark.parametrize("offset", [3, 11])
def test_an_offset_outside_of_the_log_is_an_error_and_not_another_offset(
    kafka: KafkaServer, consumer: Consumer, topic: str, offset: int
) -> None:
    """Each row is before the log's beginning, or behind its end: the default would go on elsewhere, silently."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    (deleted,) = admin.delete_records([TopicPartition(topic, 0, 5)]).values()
    deleted.result(WAIT_SECONDS)
    consumer.incremental_assign([TopicPartition(topic, 0, offset)])
    found = read_until(consumer, lambda messages: bool(codes(messages)))
    assert set(codes(found)) <= {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
    assert values(found) == []


def test_one_more_partition_leaves_the_others_where_they_are(
    kafka: KafkaServer, consumer: Consumer, topic: str
) -> None:
    """Nothing of them is read again or passed over."""
    consumer.incremental_assign([TopicPartition(topic, 0, 0)])
    before = read_until(consumer, lambda messages: len(values(messages)) >= 1)
    consumer.incremental_assign([TopicPartition(topic, 1, 0)])
    send(kafka, topic, 1, range(100, 103))
    after = read_until(consumer, lambda messages: len(values(before + messages)) >= 13)
    of_first = [each for each in before + after if each.partition() == 0]
    assert values(of_first) == list(range(10))


def test_a_partition_taken_away_gives_no_more_records(kafka: KafkaServer, consumer: Consumer, topic: str) -> None:
    """Not even those that were fetched already."""
    consumer.incremental_assign([TopicPartition(topic, each, 0) for each in (0, 1)])
    consumer.consume(1, WAIT_SECONDS)
    consumer.incremental_unassign([TopicPartition(topic, 0)])
    send(kafka, topic, 1, range(100, 103))
    found = read_until(consumer, lambda messages: len([each for each in messages if each.partition() == 1]) >= 4)
    found += consumer.consume(100, QUIET_SECONDS)
    assert {each.partition() for each in found} == {1}


def test_a_partition_assigned_again_is_read_from_the_new_offset_alone(consumer: Consumer, topic: str) -> None:
    """This is how the reader seeks: nothing from before it comes after it."""
    for offset in (2, 8, 5):
        consumer.incremental_assign([TopicPartition(topic, 0, offset)])
        found = read_until(consumer, lambda messages: bool(values(messages)))
        assert values(found)[0] == offset
        consumer.incremental_unassign([TopicPartition(topic, 0)])


def test_a_paused_partition_waits_and_goes_on_without_a_gap(kafka: KafkaServer, consumer: Consumer, topic: str) -> None:
    """The others are read meanwhile."""
    consumer.incremental_assign([TopicPartition(topic, each, 0) for each in (0, 1)])
    found = read_until(consumer, ended(2))
    consumer.pause([TopicPartition(topic, 0)])
    send(kafka, topic, 0, range(10, 15))
    send(kafka, topic, 1, range(100, 103))
    meanwhile = read_until(consumer, lambda messages: len(values(messages)) >= 3)
    assert {each.partition() for each in meanwhile} == {1}
    consumer.resume([TopicPartition(topic, 0)])
    found = read_until(consumer, lambda messages: len(values(messages)) >= 5)
    assert values(found) == list(range(10, 15))


def test_a_paused_partition_that_is_resumed_before_it_is_taken_away_is_read_when_it_comes_back(
    consumer: Consumer, topic: str
) -> None:
    """A pause may outlive unassign and assign, so whoever gives a partition up resumes it first."""
    place = [TopicPartition(topic, 0, 0)]
    consumer.incremental_assign(place)
    consumer.pause(place)
    assert values(consumer.consume(100, QUIET_SECONDS)) == []
    consumer.resume(place)
    consumer.incremental_unassign(place)
    consumer.incremental_assign(place)
    assert values(read_until(consumer, ended(1))) == list(range(10))

"""The simulation's Kafka keeps the promises that the engine relies on: one suite, for it and for a real broker."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from tests.servers import KafkaServer
from tests.simulation.fake_consumer import FakeConsumer
from tests.simulation.fake_kafka import FakeKafka, serve, withdraw
from tests.simulation.fake_producer import FakeProducer
from tests.simulation.sim_scheduler import Scheduler
from tests.topics import delete_topics, make_topics

WAIT_SECONDS = 30.0
LONGEST_POLLS = 600


class Backend:
    """A cluster and the clients that speak to it."""

    def __init__(
        self,
        servers: str,
        make_topics: Callable[[str, int], None],
        consumer: Callable[[dict[str, Any]], Any],
        producer: Callable[[dict[str, Any]], Any],
    ) -> None:
        self._servers = servers
        self._make_topics = make_topics
        self._consumer = consumer
        self._producer = producer
        self._prefix = f"t{uuid.uuid4().hex[:12]}."
        self.topics: list[str] = []
        self.consumers: list[Any] = []

    def topic(self, partitions: int = 1) -> str:
        name = f"{self._prefix}{len(self.topics)}"
        self._make_topics(name, partitions)
        self.topics.append(name)
        return name

    def consumer(self, **changes: Any) -> Any:
        """As the engine configures them."""
        config = {
            "bootstrap.servers": self._servers,
            "group.id": "contract",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
        made = self._consumer(config | {name.replace("_", "."): value for name, value in changes.items()})
        self.consumers.append(made)
        return made

    def producer(self, name: str = "", **changes: Any) -> Any:
        """A transactional producer that has its id; without a name, a plain one."""
        config: dict[str, Any] = {"bootstrap.servers": self._servers, "linger.ms": 0} | changes
        if name:
            config["transactional.id"] = f"{self._prefix}{name}"
        made = self._producer(config)
        if name:
            made.init_transactions(WAIT_SECONDS)
        return made

    def send(self, topic: str, *values: bytes, partition: int = 0) -> None:
        producer = self.producer()
        for value in values:
            producer.produce(topic, value, None, partition)
        assert producer.flush(WAIT_SECONDS) == 0

    def send_together(self, topic: str, *values: bytes, name: str = "writer", commit: bool = True) -> None:
        """One transaction."""
        producer = self.producer(name)
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value, None, 0)
        if commit:
            producer.commit_transaction(WAIT_SECONDS)
        else:
            producer.flush(WAIT_SECONDS)
            producer.abort_transaction(WAIT_SECONDS)


def fake_backend(seed: int) -> Iterator[Backend]:
    """The simulation's cluster, as a seed draws its delays."""
    address = uuid.uuid4().hex
    cluster = FakeKafka(Scheduler(seed))
    serve(address, cluster)
    yield Backend(address, lambda name, count: (cluster.create_topic(name, count), None)[1], FakeConsumer, FakeProducer)
    withdraw(address)


def real_backend(kafka: KafkaServer) -> Iterator[Backend]:
    """The broker of the test session."""
    servers = kafka.bootstrap_servers
    backend = Backend(servers, lambda name, count: make_topics(servers, [NewTopic(name, count, 1)]), Consumer, Producer)
    yield backend
    for consumer in backend.consumers:
        consumer.close()
    if backend.topics:
        delete_topics(servers, backend.topics)


@pytest.fixture(params=[1, 2, 3, pytest.param("kafka", marks=pytest.mark.stack)])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each test runs against both, the fake with some seeds."""
    if request.param == "kafka":
        yield from real_backend(request.getfixturevalue("kafka"))
    else:
        yield from fake_backend(request.param)


def read_to_end(consumer: Any) -> list[Message]:
    """The records up to the next end of a partition."""
    messages: list[Message] = []
    for _ in range(LONGEST_POLLS):
        for message in consumer.consume(1, 0.05):
            error = message.error()
            if error is None:
                messages.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                return messages
            else:
                raise KafkaException(error)
    raise AssertionError("the end was not reached")


def end_told(consumer: Any) -> int:
    """The offset of the next end of a partition, whatever records come before it."""
    for _ in range(LONGEST_POLLS):
        for message in consumer.consume(1, 0.05):
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                return int(message.offset())
    raise AssertionError("the end was not reached")


def read(consumer: Any, count: int) -> list[Message]:
    """So many records, whatever ends are met before: a commit returns before its markers are written."""
    messages: list[Message] = []
    for _ in range(LONGEST_POLLS):
        messages += [message for message in consumer.consume(1, 0.05) if message.error() is None]
        if len(messages) == count:
            return messages
    raise AssertionError(f"{len(messages)} records instead of {count}")


def values(messages: list[Message]) -> list[bytes | None]:
    return [message.value() for message in messages]


def code_of(call: Callable[[], object]) -> tuple[int, bool]:
    """The code of the error that a call raises, and whether it is fatal."""
    with pytest.raises(KafkaException) as caught:
        call()
    error: KafkaError = caught.value.args[0]
    return error.code(), error.fatal()


def test_a_transaction_is_read_once_it_is_committed_and_never_when_aborted(backend: Backend) -> None:
    """Aborted records take offsets, and readers of committed ones pass over them."""
    topic = backend.topic()
    backend.send_together(topic, b"1", b"2")
    backend.send_together(topic, b"aborted", commit=False)
    backend.send_together(topic, b"3")
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert values(read(consumer, 3)) == [b"1", b"2", b"3"]


def test_markers_take_offsets(backend: Backend) -> None:
    """The offset after the last record of a transaction is its marker's."""
    topic = backend.topic()
    backend.send_together(topic, b"1", b"2")
    backend.send_together(topic, b"3")
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert [message.offset() for message in read(consumer, 3)] == [0, 1, 3]
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=WAIT_SECONDS) == (0, 5)


def test_an_open_transaction_holds_back_what_follows_and_the_end_is_told_there(backend: Backend) -> None:
    """The end is the last stable offset; it is told again when that has moved."""
    topic = backend.topic()
    backend.send(topic, b"before")
    producer = backend.producer("open")
    producer.begin_transaction()
    producer.produce(topic, b"open", None, 0)
    producer.flush(WAIT_SECONDS)
    backend.send(topic, b"after")
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert values(read_to_end(consumer)) == [b"before"]
    # The high watermark of a reader of committed records is its last stable offset.
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=WAIT_SECONDS) == (0, 1)
    producer.commit_transaction(WAIT_SECONDS)
    assert values(read(consumer, 2)) == [b"open", b"after"]


@pytest.mark.parametrize("commit", [True, False])
def test_an_open_transaction_shows_in_the_high_watermark_of_the_last_fetch(backend: Backend, commit: bool) -> None:
    """However its reader is held back; once it is over, the end that is told is the high watermark, marker included."""
    topic = backend.topic()
    place = TopicPartition(topic, 0, 0)
    consumer = backend.consumer()
    consumer.assign([place])
    assert (end_told(consumer), consumer.get_watermark_offsets(place, cached=True)[1]) == (0, 0)
    producer = backend.producer("open")
    producer.begin_transaction()
    producer.produce(topic, b"open", None, 0)
    producer.flush(WAIT_SECONDS)
    for _ in range(LONGEST_POLLS):
        assert consumer.consume(1, 0.02) == []
        if consumer.get_watermark_offsets(place, cached=True)[1]:
            break
    assert consumer.get_watermark_offsets(place, cached=True)[1] == 1
    if commit:
        producer.commit_transaction(WAIT_SECONDS)
    else:
        producer.abort_transaction(WAIT_SECONDS)
    assert (end_told(consumer), consumer.get_watermark_offsets(place, cached=True)[1]) == (2, 2)


@pytest.mark.parametrize(("isolation", "end"), [("read_committed", 1), ("read_uncommitted", 2)])
def test_the_end_that_a_broker_tells_depends_on_who_asks(backend: Backend, isolation: str, end: int) -> None:
    """Whoever reads what is not committed is told the high watermark, without a partition of its own."""
    topic = backend.topic()
    backend.send(topic, b"before")
    producer = backend.producer("open")
    producer.begin_transaction()
    producer.produce(topic, b"open", None, 0)
    producer.flush(WAIT_SECONDS)
    consumer = backend.consumer(isolation_level=isolation)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=WAIT_SECONDS) == (0, end)
    producer.abort_transaction(WAIT_SECONDS)


def test_a_reader_that_is_assigned_again_goes_on_there_and_meets_the_end_again(backend: Backend) -> None:
    """Nothing from before comes after it; an offset of no record stands for the next one."""
    topic = backend.topic()
    for number in range(5):
        backend.send_together(topic, b"%d" % number, commit=number != 3)
    consumer = backend.consumer()
    for offset, expected in ((8, b"4"), (0, b"0"), (5, b"4"), (2, b"1")):
        consumer.assign([TopicPartition(topic, 0, offset)])
        assert values(read(consumer, 1)) == [expected]
    for _ in range(2):
        consumer.assign([TopicPartition(topic, 0, 10)])
        assert end_told(consumer) == 10


def test_the_next_owner_of_an_id_aborts_what_is_open_and_fences_the_last_one(backend: Backend) -> None:
    """The fenced producer's error is fatal, whatever it calls from then on."""
    topic = backend.topic()
    old = backend.producer("owner")
    old.begin_transaction()
    old.produce(topic, b"old", None, 0)
    old.flush(WAIT_SECONDS)
    backend.send_together(topic, b"new", name="owner")
    assert code_of(lambda: old.commit_transaction(WAIT_SECONDS)) == (KafkaError._FENCED, True)
    assert code_of(old.begin_transaction)[1]
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert values(read(consumer, 1)) == [b"new"]


def test_a_producer_goes_on_after_its_own_abort(backend: Backend) -> None:
    """The epoch stays its own."""
    topic = backend.topic()
    producer = backend.producer("same")
    for value, commit in ((b"1", True), (b"no", False), (b"2", True)):
        producer.begin_transaction()
        producer.produce(topic, value, None, 0)
        if commit:
            producer.commit_transaction(WAIT_SECONDS)
        else:
            producer.abort_transaction(WAIT_SECONDS)
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert values(read(consumer, 2)) == [b"1", b"2"]


def test_calls_out_of_order_are_refused(backend: Backend) -> None:
    """Nothing is written outside of a transaction, none begins within another, and none ends that never began."""
    topic = backend.topic()
    producer = backend.producer("order")
    assert code_of(lambda: producer.produce(topic, b"x", None, 0)) == (KafkaError._STATE, False)
    assert code_of(lambda: producer.commit_transaction(WAIT_SECONDS)) == (KafkaError._STATE, False)
    producer.begin_transaction()
    assert code_of(producer.begin_transaction) == (KafkaError._STATE, False)
    producer.abort_transaction(WAIT_SECONDS)


def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced(backend: Backend) -> None:
    """The coordinator ends it, and what was held back is read."""
    topic = backend.topic()
    producer = backend.producer("slow", **{"transaction.timeout.ms": 1_000})
    producer.begin_transaction()
    producer.produce(topic, b"slow", None, 0)
    producer.flush(WAIT_SECONDS)
    backend.send(topic, b"after")
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert values(read_to_end(consumer)) == []
    assert values(read(consumer, 1)) == [b"after"]
    assert code_of(lambda: producer.commit_transaction(WAIT_SECONDS))[0] in (
        KafkaError._FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError._STATE,
    )


def test_an_empty_transaction_is_committed_and_writes_nothing(backend: Backend) -> None:
    """The coordinator hears of a transaction by its first record."""
    topic = backend.topic()
    producer = backend.producer("empty")
    producer.begin_transaction()
    producer.commit_transaction(WAIT_SECONDS)
    consumer = backend.consumer()
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=WAIT_SECONDS) == (0, 0)


def test_an_offset_that_the_log_does_not_hold_is_an_error_told_once(backend: Backend) -> None:
    """auto.offset.reset=error: nothing is read from elsewhere instead."""
    topic = backend.topic()
    backend.send(topic, b"1", b"2")
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 77)])
    codes = [message.error().code() for _ in range(40) for message in consumer.consume(10, 0.05)]
    assert codes == [KafkaError._AUTO_OFFSET_RESET]


def test_partitions_are_added_and_taken_away_while_others_are_read(backend: Backend) -> None:
    """Nothing of a partition is handed out after it was unassigned; assigned again it begins where it is told to."""
    topic = backend.topic(partitions=2)
    backend.send(topic, b"a1", b"a2")
    backend.send(topic, b"b1", b"b2", partition=1)
    consumer = backend.consumer()
    consumer.incremental_assign([TopicPartition(topic, 0, 1)])
    assert values(read_to_end(consumer)) == [b"a2"]
    consumer.incremental_assign([TopicPartition(topic, 1, 0)])
    assert values(read_to_end(consumer)) == [b"b1", b"b2"]
    consumer.incremental_unassign([TopicPartition(topic, 1)])
    backend.send(topic, b"b3", partition=1)
    backend.send(topic, b"a3")
    assert values(read_to_end(consumer)) == [b"a3"]
    consumer.incremental_assign([TopicPartition(topic, 1, 1)])
    assert values(read_to_end(consumer)) == [b"b2", b"b3"]


def test_assigning_twice_or_taking_away_what_was_not_assigned_is_refused(backend: Backend) -> None:
    """The assignment stays as it was."""
    topic = backend.topic(partitions=2)
    consumer = backend.consumer()
    consumer.incremental_assign([TopicPartition(topic, 0, 0)])
    assert code_of(lambda: consumer.incremental_assign([TopicPartition(topic, 0, 0)]))[0] == KafkaError._CONFLICT
    assert code_of(lambda: consumer.incremental_unassign([TopicPartition(topic, 1)]))[0] == KafkaError._INVALID_ARG
    assert [(each.topic, each.partition) for each in consumer.assignment()] == [(topic, 0)]


def test_the_end_of_a_partition_is_told_again_after_something_came(backend: Backend) -> None:
    """Once for each end that is met, not at every poll."""
    topic = backend.topic()
    backend.send(topic, b"1")
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert values(read_to_end(consumer)) == [b"1"]
    assert [message for _ in range(20) for message in consumer.consume(10, 0.02)] == []
    backend.send(topic, b"2")
    assert values(read_to_end(consumer)) == [b"2"]


def test_the_end_is_told_past_a_marker(backend: Backend) -> None:
    """An aborted transaction moves the end though it brings no record."""
    topic = backend.topic()
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert read_to_end(consumer) == []
    backend.send_together(topic, b"aborted", commit=False)
    assert read_to_end(consumer) == []


def test_a_seek_reads_again_from_there(backend: Backend) -> None:
    """What comes next is the record at the offset."""
    topic = backend.topic()
    backend.send(topic, b"1", b"2", b"3")
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert values(read_to_end(consumer)) == [b"1", b"2", b"3"]
    consumer.seek(TopicPartition(topic, 0, 1))
    assert values(read_to_end(consumer)) == [b"2", b"3"]


def test_a_paused_partition_is_silent_until_it_is_resumed(backend: Backend) -> None:
    """What came meanwhile is read then."""
    topic = backend.topic()
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert read_to_end(consumer) == []
    consumer.pause([TopicPartition(topic, 0)])
    backend.send(topic, b"1")
    assert [message for _ in range(20) for message in consumer.consume(10, 0.02)] == []
    consumer.resume([TopicPartition(topic, 0)])
    assert values(read_to_end(consumer)) == [b"1"]


def test_a_record_too_large_is_refused_at_once_and_its_transaction_can_be_aborted(backend: Backend) -> None:
    """Not fatal: the same producer commits its next transaction."""
    topic = backend.topic()
    producer = backend.producer("writer", **{"message.max.bytes": 1_000})
    producer.begin_transaction()
    producer.produce(topic, b"small", None, 0)
    assert code_of(lambda: producer.produce(topic, bytes(2_000), None, 0)) == (KafkaError.MSG_SIZE_TOO_LARGE, False)
    producer.abort_transaction(WAIT_SECONDS)
    producer.begin_transaction()
    producer.produce(topic, b"1", None, 0)
    producer.commit_transaction(WAIT_SECONDS)
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert values(read(consumer, 1)) == [b"1"]


def test_offsets_are_found_by_time(backend: Backend) -> None:
    """The first record at or after a time; -1 when there is none."""
    topic = backend.topic()
    backend.send(topic, b"1", b"2")
    consumer = backend.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    first_ms = read_to_end(consumer)[0].timestamp()[1]

    def found(milliseconds: int) -> int:
        (place,) = consumer.offsets_for_times([TopicPartition(topic, 0, milliseconds)], timeout=WAIT_SECONDS)
        return int(place.offset)

    assert found(first_ms - 60_000) == 0
    assert found(first_ms) == 0
    assert found(first_ms + 3_600_000) == -1


def test_a_closed_consumer_refuses_to_read(backend: Backend) -> None:
    """RuntimeError, as any use of a closed client."""
    consumer = backend.consumer()
    consumer.close()
    with pytest.raises(RuntimeError):
        consumer.consume(1, 0.0)

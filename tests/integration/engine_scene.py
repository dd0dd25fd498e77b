"""The engine with a small pipeline on topics of its own, and what it has committed to them."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from confluent_kafka import Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from stream.engine import topics as topic_checks
from stream.engine.broadcast import Broadcast
from stream.engine.checkpoint import CheckpointWriter, Ownership
from stream.engine.config import EngineConfig
from stream.engine.owner import Owner
from stream.engine.progress import PROGRESS_KEY, Progress, Topology, decode_progress
from stream.engine.recovery import last_progress
from tests.integration.engine_life import Life
from tests.integration.tallies import Booking, Tally, TallyProcessor, decode_booking, decode_keys, decode_tally
from tests.processes import wait_until
from tests.servers import KafkaServer
from tests.simulation.observed import read_topic
from tests.topics import delete_topics, make_topics

WAIT_SECONDS = 30.0


class EngineScene:
    """Topics of one test, what is sent to them, and what lives of the engine committed."""

    def __init__(
        self, kafka: KafkaServer, prefix: str, folder: Path, partitions: int = 1, largest_output_bytes: int = 2 << 20
    ) -> None:
        self.servers = kafka.bootstrap_servers
        self.partitions = partitions
        self.config = EngineConfig(
            app=prefix,
            kafka={"bootstrap.servers": self.servers, "log_level": 2},
            inputs=(f"{prefix}many", f"{prefix}few"),
            outputs=(f"{prefix}out", f"{prefix}journal"),
            progress_topic=f"{prefix}progress",
            broadcast_topic=f"{prefix}broadcast",
            state_topics=(f"{prefix}changelog",),
            merge_grace_seconds=0.0,
            cache_folder=folder / "cache",
        )
        self.many, self.few = self.config.inputs
        self.output, self.journal = self.config.outputs
        (self.changelog,) = self.config.state_topics
        self.admin = AdminClient(self.config.kafka)
        self.fatal: list[BaseException] = []
        self.checkpoints: Counter[int] = Counter()
        self.processors: dict[int, TallyProcessor] = {}
        self.take_overs = 0
        self.escape: Callable[[Message], None] = lambda _: None
        self._sent: Counter[str] = Counter()
        self._largest_output_bytes = largest_output_bytes

    def __enter__(self) -> Self:
        make_topics(self.servers, [self._new_topic(name) for name in self.config.topics])
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        with contextlib.suppress(Exception):
            delete_topics(self.servers, self.config.topics)

    def make_again(self, topic: str) -> None:
        """Delete a topic and create it under its name."""
        before = self.topology().topics[topic]
        delete_topics(self.servers, [topic])
        make_topics(self.servers, [self._new_topic(topic)])
        # The broker says deleted and created a little before it tells of either: of that name it still has the old one.
        wait_until(lambda: self.topology().topics[topic] != before, WAIT_SECONDS)

    def delete_before(self, topic: str, offset: int, partition: int = 0) -> None:
        """Delete a log's records before an offset; -1 stands for its end."""
        (deleted,) = self.admin.delete_records([TopicPartition(topic, partition, offset)]).values()
        deleted.result(WAIT_SECONDS)

    def raise_partitions(self, topic: str, count: int) -> None:
        """Give a topic more partitions, and return once the broker tells of them."""
        (raised,) = self.admin.create_partitions([NewPartitions(topic, count)]).values()
        raised.result(WAIT_SECONDS)
        wait_until(lambda: self.topology().topics[topic].partitions == count, WAIT_SECONDS)

    def topology(self) -> Topology:
        """The topics as the broker has them now."""
        return topic_checks.topology(self.admin, self.config.topics)

    def send(self, count: int, *, topic: str = "", partition: int = 0, keys: int = 7) -> None:
        """Send records with a few keys, to the first input unless said otherwise."""
        self.send_keys([f"key-{number % keys}" for number in range(count)], topic=topic, partition=partition)

    def send_keys(self, keys: list[str], *, topic: str = "", partition: int = 0) -> None:
        """Send a record of each key, in order."""
        producer = Producer({**self.config.kafka, "linger.ms": 0})
        for key in keys:
            producer.produce(topic or self.many, b"x", key, partition)
            self._sent[key] += 1
        assert producer.flush(WAIT_SECONDS) == 0

    def ask_for(self, offsets: Iterable[int], *, partition: int = 0) -> None:
        """Send records to the second input that ask for those of the first."""
        producer = Producer({**self.config.kafka, "linger.ms": 0})
        for offset in offsets:
            producer.produce(self.few, f"find {offset}", "finder", partition)
            self._sent["finder"] += 1
        assert producer.flush(WAIT_SECONDS) == 0

    def assert_found(self, asked: Sequence[int]) -> None:
        """Those asked for were found, in their order, in the checkpoint that booked them, and once."""
        bookings = self.bookings()
        booked_in = {each.offset: each.version for each in bookings if each.topic == self.many}
        found = [each.found for each in bookings if each.topic == self.few]
        assert found == [[booked_in[offset]] for offset in asked]

    def broadcast_value(self, value: str) -> None:
        """Write a value to the broadcast topic."""
        producer = Producer({**self.config.kafka, "linger.ms": 0})
        producer.produce(self.config.broadcast_topic, value, "value")
        assert producer.flush(WAIT_SECONDS) == 0

    @property
    def sent(self) -> int:
        return self._sent.total()

    @property
    def counted(self) -> int:
        """Records in the rows of whoever holds a partition last."""
        return sum(each.total for each in self.processors.values())

    def all_durable(self, life: Life) -> bool:
        """Every record that was sent is booked and in a committed checkpoint."""
        return life.running and self.counted == self.sent and all(map(life.durable, life.numbers))

    def transactional_producer(self, name: str) -> Producer:
        """A producer that others' transactions are written with."""
        producer = Producer({**self.config.kafka, "transactional.id": f"{self.config.app}{name}"})
        producer.init_transactions(WAIT_SECONDS)
        return producer

    def life(self, **changes: Any) -> Life:
        """The engine of one worker, not yet started; changes are of its configuration."""
        config = msgspec.structs.replace(self.config, **changes)
        broadcast = self.broadcast()
        owner = Owner(
            config,
            self.make_processor,
            broadcast,
            self.topology(),
            self.fatal.append,
            lambda number, _: self.checkpoints.update([number]),
        )
        return Life(owner, broadcast, range(self.partitions))

    def broadcast(self) -> Broadcast:
        """The broadcast topic, folded into its last value."""
        return Broadcast(
            self.config.kafka, self.config.broadcast_topic, "", lambda _, value: value.decode(), lambda _: True, "it"
        )

    def make_processor(self, number: int) -> TallyProcessor:
        """The empty processor of a partition."""
        made = TallyProcessor(self.output, self.changelog, self.journal, lambda record: self.escape(record), self.many)
        self.processors[number] = made
        self.take_overs += 1
        return made

    def writer(
        self, partition: int = 0, *, ownership: Callable[[float], Ownership] = lambda _: Ownership.OURS
    ) -> CheckpointWriter:
        """The producer of a partition's checkpoints, as an owner makes it."""
        kafka, topic = self.config.kafka, self.config.progress_topic
        return CheckpointWriter(
            kafka,
            f"{self.config.app}-{partition}",
            partition,
            topic,
            lambda writer: last_progress(kafka, topic, writer),
            ownership,
        )

    # --- what is committed ---------------------------------------------------------------------------------------

    def bookings(self) -> list[Booking]:
        """Every booking, in order within its partition."""
        return [decode_booking(value) for value in self._values(self.output)]

    def tallies(self) -> dict[str, Tally]:
        """The newest row of each key."""
        messages = read_topic(self.servers, self.changelog, self.partitions)
        rows = [decode_tally(each.value() or b"") for each in messages if not (each.key() or b"").startswith(b"\0")]
        return {row.name: row for row in rows}

    def progress(self, partition: int = 0) -> Progress:
        """What the newest checkpoint says."""
        messages = read_topic(self.servers, self.config.progress_topic, self.partitions)
        written = [
            decode_progress(each.value() or b"")
            for each in messages
            if each.key() == PROGRESS_KEY and each.partition() == partition
        ]
        return written[-1]

    def assert_once(self) -> None:
        """Each record that was sent is in outputs, rows and log exactly once."""
        places = [(each.topic, each.offset) for each in self.bookings()]
        counts = {name: row.count for name, row in self.tallies().items()}
        journal = Counter(key for value in self._values(self.journal) for key in decode_keys(value))
        assert len(places) == self.sent
        # Offsets of another partition may be the same.
        assert self.partitions > 1 or len(set(places)) == self.sent
        assert counts == self._sent
        assert journal == self._sent

    def _values(self, topic: str) -> list[bytes]:
        messages = read_topic(self.servers, topic, self.partitions)
        return [each.value() or b"" for each in messages if not (each.key() or b"").startswith(b"\0")]

    def _new_topic(self, name: str) -> NewTopic:
        compacted = name in (self.config.progress_topic, self.config.broadcast_topic, *self.config.state_topics)
        # Tests delete records of compacted topics too, which the broker refuses without the second policy.
        config = {"cleanup.policy": "compact,delete", "retention.ms": "-1"} if compacted else {}
        if name in (*self.config.inputs, self.journal):
            config["message.timestamp.type"] = "LogAppendTime"
        if name == self.output:
            config["max.message.bytes"] = str(self._largest_output_bytes)
        return NewTopic(name, 1 if name == self.config.broadcast_topic else self.partitions, 1, config=config)

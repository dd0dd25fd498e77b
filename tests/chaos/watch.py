"""How far a system is, told by its topics alone: no process is asked, since it may be the one that was killed."""

import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import TopicNames
from stream.engine.progress import CLAIM_KEY, PROGRESS_KEY, decode_progress
from tests.integration.system import PARTITIONS

_ANSWER_SECONDS = 10.0
_LEADER_SECONDS = 30.0

Ends = dict[tuple[str, int], int]


class Watch:
    """The workers' durable progress, the sink's committed offsets, and the ends that they are to reach."""

    def __init__(self, servers: str, topics: TopicNames) -> None:
        self._inputs = (topics.usage_events, topics.commands)
        self._outputs = (
            topics.charges,
            topics.rollups,
            topics.balances_changelog,
            topics.lots_changelog,
            topics.ledger,
            topics.alerts,
            topics.refill_requests,
            topics.bills,
            topics.dead_letters,
        )
        self._durable: Ends = {}
        self._claims = 0
        self._group = f"{topics.prefix}{topics.app}"
        self._common = {
            "bootstrap.servers": servers,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "reconnect.backoff.max.ms": 500,
            "log_level": 2,
        }
        self._progress = Consumer({**self._common, "group.id": "chaos-watch"})
        self._progress.assign([TopicPartition(topics.progress, number, 0) for number in range(PARTITIONS)])
        self._ends_reader = Consumer({**self._common, "group.id": "chaos-ends"})
        self._sink = Consumer({**self._common, "group.id": f"{self._group}-sink"})
        self._admin = AdminClient({"bootstrap.servers": servers, "log_level": 2})

    def close(self) -> None:
        """Disconnect."""
        self._progress.close()
        self._ends_reader.close()
        self._sink.close()

    def input_ends(self) -> Ends:
        """The last stable offsets of what the workers read."""
        return self._ends(self._inputs)

    def stable(self, ends: Ends) -> bool:
        """Whether no open transaction holds back any of these offsets of the inputs."""
        now = self.input_ends()
        return all(now[place] >= end for place, end in ends.items())

    def output_ends(self) -> Ends:
        """The last stable offsets of what the sink reads."""
        return self._ends(self._outputs)

    def emptied(self, topic: str) -> bool:
        """Whether the topic begins where it ends, in every partition, and held something before."""
        return all(low == high > 0 for low, high in (self._marks(topic, number) for number in range(PARTITIONS)))

    def newest_append_time_ms(self, topic: str) -> int:
        """When the broker, by its clock, appended the last record of the topic's first partition."""
        _, high = self._marks(topic, 0)
        self._ends_reader.assign([TopicPartition(topic, 0, max(0, high - 1))])
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline:
            for message in self._ends_reader.consume(1, 1.0):
                if message.error() is None:
                    return message.timestamp()[1]
        raise TimeoutError(f"the last record of {topic} was not read")

    def booked(self, ends: Ends) -> bool:
        """Whether committed progress has reached all of these."""
        self._advance()
        return all(self._durable.get(place, 0) >= end for place, end in ends.items())

    def written(self, ends: Ends) -> bool:
        """Whether the sink has committed all of these."""
        places = [TopicPartition(*place) for place, end in ends.items() if end]
        try:
            committed = self._sink.committed(places, timeout=_ANSWER_SECONDS)
        except KafkaException:
            return False
        return all(each.offset >= ends[each.topic, each.partition] for each in committed)

    def claims(self) -> int:
        """How many take-overs, and looks at the progress after an error, were committed so far."""
        self._advance()
        return self._claims

    def members(self) -> int:
        """How many workers the group has."""
        (described,) = self._admin.describe_consumer_groups([self._group], request_timeout=_ANSWER_SECONDS).values()
        return len(described.result(_ANSWER_SECONDS).members)

    def lag(self) -> int:
        """How many offsets of the inputs are in no checkpoint."""
        self._advance()
        return sum(self.behind(self.input_ends()).values())

    def booked_since(self, ends: Ends) -> int:
        """How many offsets beyond these are in checkpoints."""
        self._advance()
        return sum(max(0, self._durable.get(place, 0) - end) for place, end in ends.items())

    def behind(self, ends: Ends) -> dict[str, int]:
        """How many offsets of which inputs are not in a checkpoint."""
        return {
            f"{topic}/{number}": end - self._durable.get((topic, number), 0)
            for (topic, number), end in ends.items()
            if end > self._durable.get((topic, number), 0)
        }

    def _ends(self, topics: Iterable[str]) -> Ends:
        return {(topic, number): self._marks(topic, number)[1] for topic in topics for number in range(PARTITIONS)}

    def _marks(self, topic: str, number: int) -> tuple[int, int]:
        """First and last stable offset, asked for again for a while: a broker that came back leads nothing at first."""
        deadline = time.monotonic() + _LEADER_SECONDS
        while True:
            try:
                return self._ends_reader.get_watermark_offsets(TopicPartition(topic, number), timeout=_ANSWER_SECONDS)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                # A client that once met partitions without leaders may go on saying that it does not know them.
                self._ends_reader.close()
                time.sleep(0.5)
                self._ends_reader = Consumer({**self._common, "group.id": "chaos-ends"})

    def _advance(self) -> None:
        while messages := self._progress.consume(1_000, 0.05):
            for message in messages:
                error, value = message.error(), message.value()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF and error.fatal():
                        raise KafkaException(error)
                elif message.key() == CLAIM_KEY:
                    self._claims += 1
                elif message.key() == PROGRESS_KEY and value is not None:
                    for topic, offset in decode_progress(value).offsets.items():
                        self._durable[topic, message.partition() or 0] = offset

"""Kafka as the notifier sees it: some partitions may be held back while others are read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import KafkaException, TopicPartition

from sinks.intake import Committed, End, KafkaIntake
from sinks.records import Place, Record


class NoticeSource(Protocol):
    """A source of records, as the notifier uses it."""

    def poll(self, count: int, seconds: float) -> list[Record | End]:
        """Up to `count` records, waiting for at most `seconds`."""

    def hold(self, places: Iterable[Place]) -> None:
        """`poll` gives no more records of these."""

    def release(self, places: Iterable[Place]) -> None:
        """`poll` gives records of these again."""

    def commit(self, offsets: Mapping[Place, tuple[int, str]]) -> None:
        """Offsets with their metadata; CommitFailedError if any is not committed."""

    def close(self) -> None:
        """Leaves the group."""


class KafkaNoticeSource(KafkaIntake):
    """Records of the notices' topics, shared with the other notifiers of the group."""

    def hold(self, places: Iterable[Place]) -> None:
        self._consumer.pause([TopicPartition(*place) for place in places])

    def release(self, places: Iterable[Place]) -> None:
        self._consumer.resume([TopicPartition(*place) for place in places])

    def _unknown(
        self,
        places: Sequence[Place],  # noqa: ARG002 - as KafkaIntake has it
        error: KafkaException,
    ) -> Mapping[Place, Committed]:
        # A month of notices would go out again: ending, and being started again, is better.
        raise error

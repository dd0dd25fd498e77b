"""How far the sink is behind, measured against the last stable offset: transactions before it are decided."""

import time
from concurrent.futures import Future
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from sinks.metrics import SinkMetrics
from sinks.progress import Progress
from sinks.records import Place

_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_EVERY_SECONDS = 5.0
_ANSWER_SECONDS = 10.0


class LagWatch:
    """Asks the brokers every few seconds without waiting, so that a paused sink shows its lag too."""

    def __init__(self, bootstrap_servers: str) -> None:
        config: dict[str, Any] = {
            "bootstrap.servers": bootstrap_servers,
            "client.id": "creditstream-sink-lag",
        }
        self._admin = AdminClient(config)
        self._asked_at = float("-inf")
        self._answers: dict[TopicPartition, Future[Any]] = {}

    def turn(self, progress: Progress, metrics: SinkMetrics) -> None:
        """Takes answers that came, and asks again when it is time."""
        if self._answers and all(answer.done() for answer in self._answers.values()):
            metrics.lags(progress.lags(self._stable_offsets(), time.time_ns() // 1_000_000))
            self._answers = {}
        now = time.monotonic()
        if not self._answers and now - self._asked_at >= _EVERY_SECONDS:
            self._asked_at = now
            self._answers = self._ask(progress)

    def _ask(self, progress: Progress) -> dict[TopicPartition, Future[Any]]:
        wanted = {TopicPartition(*place): _LATEST for place in progress.places}
        if not wanted:
            return {}
        return self._admin.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_ANSWER_SECONDS
        )

    def _stable_offsets(self) -> dict[Place, int]:
        stable = {}
        for partition, answer in self._answers.items():
            try:
                stable[Place(partition.topic, partition.partition)] = answer.result().offset
            except KafkaException:
                # An unanswered partition keeps no stale figure: its lag is absent until the next answer.
                continue
        return stable

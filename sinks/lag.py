"""How far the sink is behind, measured against the last stable offset: transactions before it are decided."""

import logging
import threading
import time
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from sinks.metrics import SinkMetrics
from sinks.progress import Progress
from sinks.records import Place
from sinks.settings import SinkSettings

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0
_ANSWER_SECONDS = 10.0


class LagWatch:
    """Asks the brokers every few seconds, in a thread, so that a paused sink shows its lag too.

    A consumer that never joins a group asks: at read_committed, the high watermark it is told is the last stable
    offset.
    """

    def __init__(self, settings: SinkSettings) -> None:
        self._consumer = Consumer(
            {
                **settings.client,
                "group.id": f"{settings.group}-lag",
                "client.id": "creditstream-sink-lag",
                "isolation.level": "read_committed",
                "allow.auto.create.topics": False,
            },
            logger=logger,
        )
        self._closing = threading.Event()
        self._places: list[Place] = []
        self._stable: dict[Place, int] = {}
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(_ANSWER_SECONDS)
        self._consumer.close()

    def turn(self, progress: Progress, metrics: SinkMetrics) -> None:
        """Shows what is known, and says which partitions to ask for; never waits."""
        self._places = progress.places
        stable, self._stable = self._stable, {}
        if stable:
            metrics.lags(progress.lags(stable, time.time_ns() // 1_000_000))

    def _run(self) -> None:
        while not self._closing.is_set():
            stable = {}
            for place in self._places:
                try:
                    _, stable[place] = self._consumer.get_watermark_offsets(TopicPartition(*place), _ANSWER_SECONDS)
                except KafkaException as error:
                    # No stale figure: the partition's lag is absent until the next answer.
                    logger.debug("no last stable offset of %s/%d: %s", *place, error)
                if self._closing.is_set():
                    return
            self._stable = stable
            self._closing.wait(_EVERY_SECONDS if stable else 0.2)

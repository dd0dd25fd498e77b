"""Where a partition's logs begin and end, asked of the brokers, whatever is open or aborted in front of the end."""

import threading
from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

_ANSWER_SECONDS = 2.0


class LogEnds:
    """Asks for one log after the other, in any thread; its client is made for the first question."""

    def __init__(self, config: Mapping[str, str | int | float | bool]) -> None:
        self._config = {
            **config,
            "group.id": "creditstream-recovery",
            # A reader of committed records would be told the last stable offset.
            "isolation.level": "read_uncommitted",
            "enable.auto.commit": False,
        }
        self._lock = threading.Lock()
        self._consumer: Consumer | None = None

    def of(self, topic: str, partition: int) -> tuple[int, int]:
        """The log's first offset and its high watermark; KafkaException when nobody answers within 2 s."""
        with self._lock:
            if self._consumer is None:
                self._consumer = Consumer(self._config)
            consumer = self._consumer
        return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ANSWER_SECONDS)

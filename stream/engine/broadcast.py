"""The broadcast topic: a compacted topic that every worker reads whole, folded into one value."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_TELL_EVERY_SECONDS = 10.0


class Broadcast:
    """Reads partition 0 of a topic from its beginning, for ever; `fold` takes the value so far and a record's bytes.

    `ready` says whether the value is of use: partitions wait for that, since without it they could book nothing.
    """

    def __init__(
        self,
        config: Mapping[str, str | int | float | bool],
        topic: str,
        empty: object,
        fold: Callable[[object, bytes], object],
        ready: Callable[[object], bool],
        waiting_for: str,
    ) -> None:
        self._topic = topic
        self._value = empty
        self._fold = fold
        self._ready = ready
        self._waiting_for = waiting_for
        self._offset = 0
        self._ended = False
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="broadcast")
        self._stopping = False
        self._consumer = Consumer(
            {
                **config,
                "group.id": "creditstream-broadcast",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
            }
        )

    def value(self) -> tuple[int, object]:
        """The next offset to read and the value up to it: both change together."""
        return self._offset, self._value

    async def caught_up(self) -> None:
        """Return once the topic was read to its end and its value is of use."""
        await self._until(lambda: self._ended and self._ready(self._value), self._waiting_for)

    async def reached(self, offset: int) -> None:
        """Return once everything before `offset` was read."""
        await self._until(lambda: self._offset >= offset, f"{self._topic} offset {offset}")

    async def run(self) -> None:
        """Read until stopped."""
        loop = asyncio.get_running_loop()
        self._consumer.assign([TopicPartition(self._topic, 0, 0)])
        while not self._stopping:
            for message in await loop.run_in_executor(self._thread, self._consumer.consume, 100, _POLL_SECONDS):
                error = message.error()
                value = message.value()
                if error is not None:
                    self._meet(error)
                else:
                    if value is not None:
                        self._value = self._fold(self._value, value)
                    self._offset = (message.offset() or 0) + 1
                self._changed.set()

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._consumer.close)
        self._thread.shutdown(wait=False)

    def _meet(self, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._ended = True
        elif error.fatal():
            raise KafkaException(error)
        else:
            logger.warning("reading %s: %s", self._topic, error.str())

    async def _until(self, reached: Callable[[], bool], what: str) -> None:
        while not reached():
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), _TELL_EVERY_SECONDS)
            except TimeoutError:
                logger.info("waiting for %s", what)

"""What the workers committed, as a reader of the progress topic sees it: who has a partition, and when it booked."""

import threading
import time
from collections import defaultdict
from typing import NamedTuple

from confluent_kafka import OFFSET_END, Consumer, Message, TopicPartition

from schemas.topics import TopicNames
from stream.engine.progress import CLAIM_KEY, PROGRESS_KEY, decode_claim, decode_progress

_POLL_SECONDS = 0.02
_MESSAGES_AT_ONCE = 1_000


class Booked(NamedTuple):
    """A checkpoint with new usage was readable at that time of the monotonic clock; `claim` is of whoever wrote it."""

    at: float
    claim: str


class Claimed(NamedTuple):
    """That process took a partition over, at that time of the monotonic clock."""

    at: float
    partition: int
    process: int


class Watch(threading.Thread):
    """Reads committed progress until it is closed. What it notes is only appended to, so it may be read meanwhile."""

    def __init__(self, servers: str, topics: TopicNames, partitions: int) -> None:
        super().__init__(name="watch", daemon=True)
        self.booked: dict[int, list[Booked]] = {number: [] for number in range(partitions)}
        self.claimed: list[Claimed] = []
        self._usage = topics.usage_events
        self._offsets: dict[int, int] = defaultdict(int)
        self._processes: dict[str, int] = {}
        self._closing = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "takeover-watch",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
            }
        )
        self._consumer.assign([TopicPartition(topics.progress, number, OFFSET_END) for number in range(partitions)])

    def run(self) -> None:
        """Note what comes, with the time at which it could be read."""
        while not self._closing.is_set():
            messages = self._consumer.consume(1, _POLL_SECONDS)
            if messages:
                messages += self._consumer.consume(_MESSAGES_AT_ONCE, 0.0)
            now = time.monotonic()
            for message in messages:
                if message.error() is None:
                    self._note(message, now)

    def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        self.join()
        self._consumer.close()

    def owners(self) -> dict[int, int]:
        """The process that took each partition over last."""
        return {each.partition: each.process for each in list(self.claimed)}

    def booked_after(self, partition: int, moment: float, gone: int | None = None) -> float | None:
        """When the partition first booked after that moment, by another process than the one that is gone."""
        for at, claim in list(self.booked[partition]):
            if at > moment and (gone is None or self._processes.get(claim, gone) != gone):
                return at
        return None

    def longest_pause(self, partition: int, begin: float, end: float) -> float:
        """The longest time between two checkpoints of a partition, of all that reach into the time given; in s."""
        times = [each.at for each in list(self.booked[partition])]
        pauses = zip(times, [*times[1:], end], strict=True)
        return max((until - since for since, until in pauses if until > begin and since < end), default=end - begin)

    def _note(self, message: Message, now: float) -> None:
        partition, value = message.partition(), message.value()
        if partition is None or value is None:
            return
        if message.key() == CLAIM_KEY:
            claim = decode_claim(value)
            self._processes[claim.nonce] = claim.process
            self.claimed.append(Claimed(now, partition, claim.process))
        elif message.key() == PROGRESS_KEY:
            progress = decode_progress(value)
            offset = progress.offsets.get(self._usage, 0)
            if offset > self._offsets[partition]:
                self._offsets[partition] = offset
                self.booked[partition].append(Booked(now, progress.claim))

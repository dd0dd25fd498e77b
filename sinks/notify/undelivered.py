"""What is given up waits here until it is written to `sinks.undelivered-notices`: only then is it settled."""

import logging
from collections import deque
from collections.abc import Collection, Sequence
from typing import Protocol

from sinks.backoff import Backoff
from sinks.dead_letters import DeadLettersAwayError, OfAccount
from sinks.notify.clock import Clock
from sinks.notify.letters import Letter
from sinks.notify.metrics import NotifyMetrics
from sinks.records import Place

logger = logging.getLogger(__name__)

MOST_WAITING = 200
"""Nothing more is read while so many wait; a poll may bring some more."""
_AT_ONCE = 100


class LetterPublisher(Protocol):
    """Delivers letters."""

    def publish(self, letters: Sequence[OfAccount]) -> None:
        """All of them are in Kafka when this returns; DeadLettersAwayError otherwise."""


class Undelivered:
    """Letters in the order in which they came, written some at a time, again and again while Kafka takes none."""

    def __init__(self, publisher: LetterPublisher, metrics: NotifyMetrics, clock: Clock) -> None:
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._waiting: deque[Letter] = deque()
        self._backoff = Backoff()
        self._next_try_at = float("-inf")

    @property
    def full(self) -> bool:
        """Whether nothing more should be read."""
        return len(self._waiting) >= MOST_WAITING

    def add(self, letter: Letter, kind: str) -> None:
        """To be written; `kind` is its own or, where that cannot be read, its topic's."""
        told, place = letter.letter, letter.record.place
        logger.error("undelivered: %s, %s: %s, from %s/%d@%d", kind, told.reason, told.detail, *place, told.offset)
        self._metrics.undelivered(kind, told.reason)
        self._waiting.append(letter)

    def write(self) -> list[Letter]:
        """Those that are in Kafka now."""
        if not self._waiting or self._clock.monotonic() < self._next_try_at:
            return []
        letters = [self._waiting[number] for number in range(min(_AT_ONCE, len(self._waiting)))]
        try:
            self._publisher.publish([letter.letter for letter in letters])
        except DeadLettersAwayError as error:
            wait_seconds = self._backoff.next_wait_seconds()
            self._next_try_at = self._clock.monotonic() + wait_seconds
            logger.warning("not written, next try in %.1f s: %s", wait_seconds, error)
            return []
        self._backoff = Backoff()
        for _ in letters:
            self._waiting.popleft()
        return letters

    def forget(self, places: Collection[Place]) -> None:
        """Letters of these partitions are another notifier's to write."""
        self._waiting = deque(letter for letter in self._waiting if letter.record.place not in places)

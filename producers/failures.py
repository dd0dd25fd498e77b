"""What can happen to a report after it was checked, and what is told when nobody asked to be told."""

import logging
import time
from collections.abc import Callable
from threading import Lock

from schemas.usage import UsageEvent

logger = logging.getLogger("creditstream.producers")
_SECONDS_BETWEEN_LOG_LINES = 1.0


class DeliveryError(Exception):
    """An event that Kafka does not have, and why; it may be reported again with its id and time."""

    def __init__(self, event: UsageEvent, reason: str) -> None:
        super().__init__(f"usage event {event.id} of account {event.subject} was not delivered: {reason}")
        self.event = event
        self.reason = reason


class QueueFullError(Exception):
    """The bounded queue had no room: Kafka is away, or slower than the events come."""


class ReporterClosedError(RuntimeError):
    """A report to a reporter that was closed."""


OnError = Callable[[DeliveryError], None]


class FailureLog:
    """Logs a line a second at most: the `on_error` of a reporter that was given none, and what librdkafka says."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._next_line_at = 0.0
        self._left_out = 0

    def __call__(self, failure: DeliveryError) -> None:
        self.write(str(failure))

    def write(self, line: str) -> None:
        """Logs the line, unless one was logged within the last second."""
        with self._lock:
            now = time.monotonic()
            if now < self._next_line_at:
                self._left_out += 1
                return
            left_out, self._left_out = self._left_out, 0
            self._next_line_at = now + _SECONDS_BETWEEN_LOG_LINES
        logger.error("%s (%d more lines were left out before it)", line, left_out)

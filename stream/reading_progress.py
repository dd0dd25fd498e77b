"""Tells on stderr how far a long read is."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from confluent_kafka import Message

from stream.topic_reader import Span

_SECONDS_BETWEEN_LINES = 2.0


class ReadingProgress:
    """A line every two seconds: how much of the spans was read, by their offsets."""

    def __init__(self, spans: Sequence[Span], what: str, *, quiet: bool) -> None:
        self._spans = {(span.topic, span.partition): span for span in spans}
        self._total = sum(span.end - span.first for span in spans)
        self._done = 0
        self._said_at = time.monotonic()
        self._what = what
        self._quiet = quiet

    def watch(self, records: Iterable[Message]) -> Iterator[Message]:
        """The same records: of some of the spans, one span after the other."""
        current: Span | None = None
        for message in records:
            span = self._spans[message.topic() or "", message.partition() or 0]
            if current is not None and span != current:
                self._done += current.end - current.first
            current = span
            self._say((message.offset() or 0) + 1 - span.first)
            yield message
        if current is not None:
            self._done += current.end - current.first

    def _say(self, more: int) -> None:
        now = time.monotonic()
        if not self._quiet and now - self._said_at >= _SECONDS_BETWEEN_LINES:
            self._said_at = now
            read = self._done + more
            print(f"{read:,} of {self._total:,} {self._what} read", file=sys.stderr, flush=True)

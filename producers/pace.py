"""Keeps to a pace, and says on stderr how far it has come."""

import sys
import time
from collections.abc import Callable

_SECONDS_BETWEEN_LINES = 1.0
_SHORTEST_SLEEP_SECONDS = 0.001


class Progress:
    """A line a second on stderr: how many, of how many, how fast; rewritten in place on a terminal."""

    def __init__(self, what: str, total: int | None = None, *, quiet: bool = False) -> None:
        self._what = what
        self._total = total
        self._quiet = quiet
        self._started = self._last = time.monotonic()

    def show(self, done: int) -> None:
        """Shows where things are, unless it did within the last second."""
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._line(done, end="\r" if sys.stderr.isatty() else "\n")

    def finish(self, done: int) -> None:
        """Shows where things ended."""
        self._line(done, end="\n")

    def _line(self, done: int, end: str) -> None:
        self._last = time.monotonic()
        if self._quiet:
            return
        total = "" if self._total is None else f" of {self._total:,}"
        rate = done / max(self._last - self._started, 1e-9)
        print(f"{done:,}{total} {self._what}, {rate:,.0f}/s", end=end, file=sys.stderr, flush=True)


class Pace:
    """Sleeps until it is time, counted from when the pace was made; behind time it does not sleep."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def until(self, seconds: float, meanwhile: Callable[[], object]) -> None:
        """Waits until so many seconds have passed, calling `meanwhile` at least once a second."""
        while (left := self._started + seconds - time.monotonic()) > _SHORTEST_SLEEP_SECONDS:
            meanwhile()
            time.sleep(min(left, _SECONDS_BETWEEN_LINES))

"""The brokers' clock, as far as this machine can know it: no broker tells the time, but records tell when they came."""

import math


class BrokerClock:
    """Never ahead of the brokers' clock, by which records were appended that this process saw.

    It goes on with this machine's monotonic clock; the wall's may be set to anything. Two threads may note at once: the
    earlier time may win, until the next record.
    """

    def __init__(self) -> None:
        self._ahead_ms = -math.inf

    def note(self, appended_ms: int, seen: float) -> None:
        """A record of this append time was there at `seen` at the latest, in seconds on the monotonic clock."""
        self._ahead_ms = max(self._ahead_ms, appended_ms - seen * 1_000)

    def no_later(self, clock_ms: int, now: float) -> int:
        """A clock in ms since 1970, or what the brokers' is known to show at `now` if that is earlier."""
        if self._ahead_ms == -math.inf:
            return clock_ms
        return min(clock_ms, int(now * 1_000 + self._ahead_ms))

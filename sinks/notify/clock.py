"""The two clocks that the notifier reads, so that tests may turn them."""

import time


class Clock:
    """`monotonic` measures waits, in seconds; `now_ms` is the time of day, in milliseconds since 1970, UTC."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

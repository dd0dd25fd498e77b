"""How long to wait before another try: longer each time, up to a bound, never the same for two sinks."""

import random
from collections.abc import Callable

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 15.0

_random = random.SystemRandom()


class Backoff:
    """Waits that double, each drawn from the upper half of its step: sinks do not return all at once."""

    def __init__(self, draw: Callable[[float, float], float] = _random.uniform) -> None:
        self._draw = draw
        self.tries = 0

    def next_wait_seconds(self) -> float:
        """The wait before the next try."""
        # Capped before it is raised: a day of tries would overflow a float.
        step = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(self.tries, 32))
        self.tries += 1
        return self._draw(step / 2, step)

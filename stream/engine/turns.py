"""Every partition gets its turn once in a while: the others' are in between, not at the same moment.

All at once, their producers and the brokers would want more cores than there are for a moment: on two of them the
stream waited for a core for 8 % of its time, while half of one was idle.
"""

import asyncio
import time
from collections.abc import Callable, Sequence


async def take_turns(numbers: Sequence[int], seconds: float, turn: Callable[[int], None]) -> None:
    """A turn for each of these partitions, spread over so many seconds; who is late does not wait for the next."""
    began = time.monotonic()
    for place, number in enumerate(numbers, 1):
        early = began + seconds * place / len(numbers) - time.monotonic()
        if early > 0:
            await asyncio.sleep(early)
        turn(number)
    if not numbers:
        await asyncio.sleep(seconds)

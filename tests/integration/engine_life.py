"""One life of a worker's engine in the test's own process: given every partition, without a consumer group."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self

from stream.engine.broadcast import Broadcast
from stream.engine.holding import Holding, Phase
from stream.engine.lane import Batch
from stream.engine.owner import Owner
from stream.engine.partition import Partition

_LONGEST_SECONDS = 30.0


class Life:
    """An owner that is polled, applied and ticked as Faust would; `deliver` may lose a batch on its way.

    Leaving it stops it in order; `crash` ends it as a kill would, without a last checkpoint.
    """

    def __init__(self, owner: Owner, broadcast: Broadcast, numbers: Iterable[int]) -> None:
        self.owner = owner
        self.broadcast = broadcast
        self.numbers = list(numbers)
        self.deliver: Callable[[Batch], object] = lambda _: True
        self._broadcasting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._broadcasting = asyncio.create_task(self.broadcast.run())
        self.owner.assign(self.numbers)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.owner.stop()
        await self.broadcast.stop()
        if self._broadcasting is not None:
            await self._broadcasting

    def holding(self, number: int = 0) -> Holding:
        return self.owner.holdings[number]

    def partition(self, number: int = 0) -> Partition:
        """A partition that runs."""
        partition = self.holding(number).partition
        assert partition is not None, self.holding(number).failure
        return partition

    @property
    def running(self) -> bool:
        """Every partition was taken over."""
        return all(self.holding(number).phase is Phase.RUNNING for number in self.numbers)

    def durable(self, number: int = 0) -> bool:
        """All that a partition has booked is in a committed checkpoint."""
        holding = self.holding(number)
        if holding.phase is not Phase.RUNNING or holding.partition is None or holding.in_flight is not None:
            return False
        return tuple(holding.partition.durable.offsets.values()) == holding.partition.position

    async def turn(self, *, apply: bool = True, tick: bool = True) -> list[Batch]:
        """Poll once; book what came; start the checkpoints that are due."""
        batches = await self.owner.poll()
        for batch in batches:
            if apply and self.deliver(batch):
                self.owner.apply(batch)
        if tick:
            for number in list(self.owner.holdings):
                self.owner.turn(number)
        return batches

    async def until(self, holds: Callable[[], bool], **turned: bool) -> None:
        """Take turns until it holds."""
        deadline = time.monotonic() + _LONGEST_SECONDS
        while not holds():
            assert time.monotonic() < deadline, {
                number: (each.phase, each.failure) for number, each in self.owner.holdings.items()
            }
            await self.turn(**turned)

    async def crash(self) -> None:
        """End without a last checkpoint; what is in flight may be committed or not."""
        for holding in list(self.owner.holdings.values()):
            self.owner._drop(holding)


def live(story: Coroutine[Any, Any, None]) -> None:
    """Run what happens in a test to its end."""
    asyncio.run(story)

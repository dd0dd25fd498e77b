"""The consumer group: who is in it, which partitions each is given, and who was thrown out for keeping silent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from tests.simulation.fake_kafka import FakeKafka
from tests.simulation.sim_scheduler import Scheduler

if TYPE_CHECKING:
    from tests.simulation.sim_worker import SimWorker

T = TypeVar("T")

SESSION_SECONDS = 10.0
_REBALANCE_SECONDS = 20.0
HEARTBEAT_SECONDS = 2.5
_LATENCY_SECONDS = 0.01


class SimGroup:
    """Eager rebalances, as aiokafka has them: everybody gives everything back, then all are assigned anew."""

    def __init__(self, scheduler: Scheduler, cluster: FakeKafka, partitions: int) -> None:
        self.generation = 0
        self._scheduler = scheduler
        self._cluster = cluster
        self._partitions = partitions
        self._heard_at: dict[SimWorker, float] = {}
        self._told: dict[SimWorker, asyncio.Future[None]] = {}
        self._joining: dict[SimWorker, asyncio.Future[list[int] | None]] = {}
        self._owners: dict[int, SimWorker] = {}
        self._began_at: float | None = None
        self._look()

    # --- asked by members, on their loops ---

    async def join(self, worker: SimWorker) -> list[int]:
        """Wait for the next assignment; whoever is thrown out meanwhile joins again."""
        while True:
            self._heard_at[worker] = self._scheduler.now
            joining: asyncio.Future[list[int] | None] = worker.loop.create_future()
            self._joining[worker] = joining
            self.rebalance()
            mine = await joining
            if mine is not None:
                return mine

    async def rebalancing(self, worker: SimWorker) -> None:
        """Wait until a rebalance begins, or until the member hears that it is none any more."""
        told = self._told.get(worker)
        if told is not None:
            await told

    async def beat(self, worker: SimWorker) -> bool:
        """A heartbeat: whether the coordinator still takes it for a member."""
        await asyncio.sleep(self._scheduler.random.random() * _LATENCY_SECONDS)
        await asyncio.sleep(max(0.0, self._cluster.down_until - self._scheduler.now))
        known = worker in self._heard_at
        await asyncio.sleep(self._scheduler.random.random() * _LATENCY_SECONDS)
        return known

    def leave(self, worker: SimWorker) -> None:
        """Say so, as a member does that stops in order."""
        self._heard_at.pop(worker, None)
        self._joining.pop(worker, None)
        self.rebalance()

    # --- the coordinator ---

    def rebalance(self) -> None:
        """Have every member give back and join again."""
        if self._began_at is None:
            self._began_at = self._scheduler.now
            for worker in list(self._told):
                self._tell(worker)

    def _tell(self, worker: SimWorker) -> None:
        """A member learns at its next heartbeat."""
        self._resolve(worker, self._told.pop(worker), None, HEARTBEAT_SECONDS)

    def _resolve(self, worker: SimWorker, future: asyncio.Future[T], result: T, most_seconds: float) -> None:
        """Answer a member: if it stands still, when it goes on."""
        when = max(self._scheduler.now, worker.process.paused_until)

        def answer() -> None:
            if not future.done():
                future.set_result(result)

        self._scheduler.at(when + self._scheduler.random.random() * most_seconds, answer, worker.process)

    def _look(self) -> None:
        """Throw out whoever kept silent; complete the rebalance when all have joined."""
        now = self._scheduler.now
        for worker, heard_at in list(self._heard_at.items()):
            process = worker.process
            away = now < self._cluster.down_until
            if away or (not process.dead and process.paused_until <= now):
                self._heard_at[worker] = now
            elif now - heard_at > SESSION_SECONDS:
                self._throw_out(worker)
        if self._began_at is not None:
            late = now - self._began_at > _REBALANCE_SECONDS
            if late:
                for worker in [each for each in self._heard_at if each not in self._joining]:
                    self._throw_out(worker)
            if set(self._heard_at) <= set(self._joining):
                self._complete()
        self._scheduler.after(0.1, self._look)

    def _throw_out(self, worker: SimWorker) -> None:
        del self._heard_at[worker]
        if worker in self._joining:
            self._resolve(worker, self._joining.pop(worker), None, HEARTBEAT_SECONDS)
        if worker in self._told:
            self._tell(worker)
        self.rebalance()

    def _complete(self) -> None:
        self.generation += 1
        self._began_at = None
        members = sorted(self._joining, key=lambda worker: worker.name)
        given = self._assignment(members)
        joining, self._joining = self._joining, {}
        for worker in members:
            self._told[worker] = worker.loop.create_future()
            mine = [number for number, member in given.items() if member is worker]
            self._resolve(worker, joining[worker], mine, _LATENCY_SECONDS)

    def _assignment(self, members: list[SimWorker]) -> dict[int, SimWorker]:
        """Sticky more often than not; else everything may move."""
        if not members:
            self._owners = {}
            return {}
        sticky = self._scheduler.random.random() < 0.6
        shuffled = members[:]
        self._scheduler.random.shuffle(shuffled)
        most = -(-self._partitions // len(members))
        counts = dict.fromkeys(members, 0)
        given: dict[int, SimWorker] = {}
        for number in range(self._partitions):
            owner = self._owners.get(number)
            if sticky and owner in counts and counts[owner] < most:
                given[number] = owner
                counts[owner] += 1
        for number in range(self._partitions):
            if number not in given:
                given[number] = min(shuffled, key=counts.__getitem__)
                counts[given[number]] += 1
        self._owners = given
        return given

"""One life of a worker: the engine and the rules as stream/app.py joins them, under Faust's habits, without Faust."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

from stream.app import Worker, _fold_rate_card, _has_rate_cards
from stream.engine.broadcast import Broadcast
from stream.engine.holding import Phase
from stream.engine.lane import Batch
from stream.engine.owner import Owner
from stream.engine.progress import Topology
from stream.engine.topics import WrongTopicsError
from stream.engine.turns import take_turns
from stream.pipeline import Pipeline
from stream.rollups.roller import Roller
from stream.rules.ledger.ledger import Ledger
from stream.rules.ledger.posting import Posting
from stream.rules.rate_cards import RateCards
from stream.settings import WorkerSettings
from tests.simulation.sim_group import HEARTBEAT_SECONDS, SimGroup
from tests.simulation.sim_loop import SimLoop
from tests.simulation.sim_process import SimProcess
from tests.simulation.sim_scheduler import Scheduler
from tests.simulation.sim_seams import SimTime


@dataclass(frozen=True)
class Deployment:
    """What every worker is started with."""

    settings: WorkerSettings
    topology: Topology


@dataclass
class Habits:
    """How often what Faust was handed vanishes, comes twice, or comes late."""

    vanish: float = 0.0
    double: float = 0.0
    late: float = 0.0
    slow: float = 0.0
    """How often the stream does something else first."""
    clear: float = 0.0
    """How often a rebalance clears what waits."""

    def calm(self) -> None:
        """Everything arrives once and in time from now on."""
        self.vanish = self.double = self.late = 0.0


class SimWorker:
    """A process of its own, in the group from its start to its end."""

    def __init__(
        self,
        scheduler: Scheduler,
        group: SimGroup,
        deployment: Deployment,
        name: str,
        habits: Habits,
        met: Callable[[str], None],
        behind: set[str],
    ) -> None:
        self.name = name
        self.process = SimProcess(scheduler, name)
        self.loop = SimLoop(scheduler, self.process)
        self.ended: str | None = None
        self.topology = deployment.topology
        self.owner: Owner | None = None
        self._scheduler = scheduler
        self._group = group
        self._deployment = deployment
        self._habits = habits
        self._met = met
        self._behind = behind
        self._queue: deque[Batch] = deque()
        self._filled = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._outcomes: Counter[str] = Counter()
        self._roller = Roller()
        scheduler.after(0.0, self._boot, self.process)

    # --- what the environment does to it ---

    def crash(self) -> None:
        """Die here and now."""
        self.process.die()
        self.loop.drop()
        self.ended = self.ended or "killed"

    def stop(self) -> None:
        """End in order, as SIGTERM asks for."""
        if not self._stopping and not self.process.dead:
            self._stopping = True
            self._scheduler.after(0.0, lambda: self._watch(self.loop.create_task(self._finish())), self.process)

    def topics_changed(self) -> None:
        """As the worker does that finds its topics others than those it began with."""
        changed = WrongTopicsError("topics changed while the worker ran")
        if self.owner is not None:
            self.loop.call_soon(self.owner.refuse_all, changed)
        self._end(f"{changed}")

    # --- what is seen of it ---

    @property
    def alive(self) -> bool:
        return not self.process.dead

    @property
    def books(self) -> bool:
        """Whether any of its partitions is past its take-over."""
        return self.owner is not None and any(each.partition is not None for each in self.owner.holdings.values())

    def pipeline(self, partition: int) -> Pipeline | None:
        """The pipeline of a partition that is running and durable to its last booking."""
        holding = None if self.owner is None else self.owner.holdings.get(partition)
        if holding is None or holding.phase is not Phase.RUNNING or holding.partition is None or holding.seeking:
            return None
        settled = holding.owned and holding.in_flight is None and holding.partition.settled
        processor = holding.partition.processor
        return processor if settled and isinstance(processor, Pipeline) else None

    def position(self, partition: int) -> tuple[int, int]:
        assert self.owner is not None
        held = self.owner.holdings[partition].partition
        assert held is not None
        return held.position

    # --- its life ---

    def _boot(self) -> None:
        config = self._deployment.settings.engine
        self.broadcast = Broadcast(
            config.kafka, config.broadcast_topic, RateCards(), _fold_rate_card, _has_rate_cards, "a rate card"
        )
        self.owner = Owner(
            config,
            self._make_pipeline,
            self.broadcast,
            self._deployment.topology,
            lambda error: self._end(f"fatal: {error}"),
            lambda _, __: None,
        )
        of_worker = (self.broadcast.run(), self._poll(), self._book(), self._take_turns(), self._belong(), self._beat())
        for story in of_worker:
            self._watch(self.loop.create_task(story))

    def _make_pipeline(self, partition: int) -> Pipeline:
        """As the worker makes it."""
        deployment = self._deployment
        worker = SimpleNamespace(
            settings=deployment.settings,
            _topology=deployment.topology,
            outcomes=self._outcomes,
            rollups=self._roller,
        )
        pipeline = Worker.make_pipeline(cast("Worker", worker), partition)
        self._note_postings_behind(pipeline.ledger)
        return pipeline

    def _note_postings_behind(self, ledger: Ledger) -> None:
        """Note in which accounts something is posted while the ledger takes its clock to be behind."""
        finish = ledger._finish

        def noted(posting: Posting) -> None:
            if not posting.caught_up:
                self._behind.add(posting.row.account)
            finish(posting)

        ledger._finish = noted  # type: ignore[method-assign]

    async def _poll(self) -> None:
        assert self.owner is not None
        while True:
            for batch in await self.owner.poll():
                self._deliver(batch)
            await asyncio.sleep(0)

    async def _book(self) -> None:
        assert self.owner is not None
        while True:
            if not self._queue:
                self._filled.clear()
                await self._filled.wait()
                continue
            if self._scheduler.random.random() < self._habits.slow:
                await asyncio.sleep(self._scheduler.random.random())
                continue
            batch = self._queue.popleft()
            self.owner.apply(batch)
            await asyncio.sleep(0)

    async def _take_turns(self) -> None:
        assert self.owner is not None
        interval_seconds = self._deployment.settings.engine.checkpoint_interval_seconds
        while True:
            await take_turns(list(self.owner.holdings), interval_seconds, self.owner.turn)

    async def _belong(self) -> None:
        """In the group: give back, join, be assigned, over and over."""
        assert self.owner is not None
        while True:
            mine = await self._group.join(self)
            self._clear()
            self.owner.group_heard_at = SimTime(self._scheduler).monotonic()
            self.owner.assign(mine)
            await self._group.rebalancing(self)
            await self.owner.revoke(mine)
            self._clear()

    async def _beat(self) -> None:
        """Heartbeats: what was answered is noted with the time at which it was asked."""
        assert self.owner is not None
        while True:
            began = SimTime(self._scheduler).monotonic()
            if await self._group.beat(self):
                self.owner.group_heard_at = began
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _finish(self) -> None:
        assert self.owner is not None
        await self.owner.stop()
        await self.broadcast.stop()
        self._group.leave(self)
        self.ended = "stopped"
        self._scheduler.after(0.0, self.crash)

    def _deliver(self, batch: Batch) -> None:
        """Hand a batch to the stream, as well as Faust does."""
        chance = self._scheduler.random.random()
        habits = self._habits
        if chance < habits.vanish:
            self._met("batch vanished")
            return
        if chance < habits.vanish + habits.late:
            self._met("batch late")
            self._scheduler.after(self._scheduler.random.random() * 3, lambda: self._put(batch), self.process)
            return
        self._put(batch)
        if chance > 1 - habits.double:
            self._met("batch doubled")
            self._put(batch)

    def _put(self, batch: Batch) -> None:
        self._queue.append(batch)
        self._filled.set()

    def _clear(self) -> None:
        if self._queue and self._scheduler.random.random() < self._habits.clear:
            self._met("queue cleared by a rebalance")
            self._queue.clear()

    def _watch(self, task: asyncio.Task[None]) -> None:
        """A task that fails ends the process, as Faust would."""

        def ended(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and done.exception() is not None:
                self._end(f"failed: {done.exception()!r}")

        self._tasks.append(task)
        task.add_done_callback(ended)

    def _end(self, why: str) -> None:
        if self.ended is None:
            self.ended = why
            self._met("worker ended itself")
            self._scheduler.after(self._scheduler.random.random(), self.crash)

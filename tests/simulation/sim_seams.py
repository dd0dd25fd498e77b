"""Puts the simulation under the engine: its clients, clocks and threads are replaced for the time of a schedule."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from stream.engine import (
    broadcast,
    checkpoint,
    crash_points,
    holding,
    log_ends,
    look_ups,
    owner,
    partition,
    reader,
    reading_back,
    recovery,
    restoring,
    ticks,
    turns,
)
from stream.engine.log_cache import CachedLog, LogCache
from tests.simulation.fake_consumer import FakeConsumer
from tests.simulation.fake_producer import FakeProducer
from tests.simulation.sim_process import SimExecutor, SimProcess, current_scheduler
from tests.simulation.sim_scheduler import Scheduler

_IDLE_SECONDS = 0.5
_GATHER_SECONDS = 0.02


class SimTime:
    """Stands for the time module: virtual, the wall clock skewed by process."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.sleep = scheduler.sleep

    def monotonic(self) -> float:
        return 1_000.0 + self._scheduler.now

    def time(self) -> float:
        process = self._scheduler.process
        skew = process.clock_skew_seconds if isinstance(process, SimProcess) else 0.0
        return self._scheduler.wall_seconds + skew

    def time_ns(self) -> int:
        return int(self.time() * 1_000_000_000)


class SimDisk(LogCache):
    """Log caches on a machine's disk, which outlives its processes."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(None)
        self._host = str(folder)
        self._files = _disks.setdefault(self._host, {}) if folder is not None else {}

    def save(
        self,
        topic: str,
        partition: int,
        topic_id: str,  # noqa: ARG002  no topic is made again in a simulation
        offset: int,
        chunks: Iterable[bytes],
    ) -> None:
        content = list(chunks)
        current_scheduler().sleep(0.001)
        self._files[topic, partition] = CachedLog(offset, content)

    def load(
        self,
        topic: str,
        partition: int,
        topic_id: str,  # noqa: ARG002  no topic is made again in a simulation
    ) -> CachedLog | None:
        return self._files.pop((topic, partition), None)


_disks: dict[str, dict[tuple[str, int], CachedLog]] = {}


@contextlib.contextmanager
def simulated(scheduler: Scheduler, reach: Callable[[str], None], transaction_timeout_ms: int) -> Iterator[None]:
    """The engine's modules run in this scheduler's time, on whichever fake cluster their settings name."""
    clock = SimTime(scheduler)
    names = SimpleNamespace(uuid4=lambda: uuid.UUID(int=scheduler.random.getrandbits(128)))
    replaced: list[tuple[object, str, object]] = [
        *((module, "time", clock) for module in (owner, reader, recovery, restoring, checkpoint, partition, holding)),
        *((module, "time", clock) for module in (ticks, turns, reading_back)),
        *((module, "ThreadPoolExecutor", SimExecutor) for module in (owner, reader, broadcast, ticks, look_ups)),
        *((module, "Consumer", FakeConsumer) for module in (reader, restoring, broadcast, log_ends)),
        (checkpoint, "Producer", FakeProducer),
        (checkpoint, "TRANSACTION_TIMEOUT_MS", transaction_timeout_ms),
        (owner, "LogCache", SimDisk),
        (recovery, "uuid", names),
        (crash_points, "reach", reach),
        # Only how often idle readers look: whatever comes wakes them.
        (reader, "_IDLE_WAIT_SECONDS", _IDLE_SECONDS),
        (reader, "_GATHER_SECONDS", _GATHER_SECONDS),
        (broadcast, "_POLL_SECONDS", 2 * _IDLE_SECONDS),
    ]
    _disks.clear()
    with contextlib.ExitStack() as stack:
        for module, name, value in replaced:
            stack.enter_context(mock.patch.object(module, name, value))
        try:
            yield
        finally:
            scheduler.close()

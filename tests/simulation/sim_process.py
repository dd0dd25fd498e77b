"""A process as the simulation has it: it may be paused or die at any step, and its threads with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from tests.simulation.sim_scheduler import Scheduler

Done = Callable[[Any, Exception | None], None]

_DEFAULT_THREADS = 8


class SimProcess:
    """One life of a process."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.name = name
        self.dead = False
        self.paused_until = 0.0
        self.clock_skew_seconds = 0.0
        self.scheduler = scheduler
        self._default = SimExecutor(_DEFAULT_THREADS, process=self)

    def executor(self, given: SimExecutor | None) -> SimExecutor:
        """Where asyncio runs a function: None stands for the default."""
        return self._default if given is None else given

    def pause(self, seconds: float) -> None:
        """As SIGSTOP does, and SIGCONT after so long."""
        self.paused_until = max(self.paused_until, self.scheduler.now + seconds)

    def die(self) -> None:
        """As SIGKILL does."""
        self.dead = True
        self.scheduler.kill(self)


class SimExecutor:
    """Stands for ThreadPoolExecutor: its functions run as events, at most so many at once."""

    def __init__(
        self,
        max_workers: int = 1,
        thread_name_prefix: str = "",  # noqa: ARG002  as ThreadPoolExecutor has it
        *,
        process: SimProcess | None = None,
    ) -> None:
        self._threads = max_workers
        self._process = process if process is not None else running_process()
        self._waiting: deque[tuple[Callable[[], Any], Done]] = deque()
        self._running = 0
        self._shut = False

    def run(self, function: Callable[[], Any], done: Done) -> None:
        """Run a function when a thread is free."""
        if self._shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self._waiting.append((function, done))
        self._next()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Its result is there when the function is through; nothing waits for it here."""
        future = Future[Any]()

        def done(result: Any, error: Exception | None) -> None:
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.run(lambda: function(*arguments), done)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._shut = True
        if cancel_futures:
            self._waiting.clear()
        while wait and (self._running or self._waiting):
            self._process.scheduler.sleep(0.01)

    def _next(self) -> None:
        if self._waiting and self._running < self._threads:
            self._running += 1
            function, done = self._waiting.popleft()
            self._process.scheduler.start(lambda: self._work(function, done), self._process)

    def _work(self, function: Callable[[], Any], done: Done) -> None:
        try:
            result = function()
        except Exception as error:
            done(None, error)
        else:
            done(result, None)
        self._running -= 1
        self._next()


_current: list[Scheduler] = []


def running_process() -> SimProcess:
    """The process whose code runs right now."""
    process = _current[-1].process
    assert isinstance(process, SimProcess), "only a simulated process makes threads and clients"
    return process


def enter(scheduler: Scheduler) -> None:
    """Make this the scheduler that simulated modules ask."""
    _current.append(scheduler)


def leave() -> None:
    _current.pop()


def current_scheduler() -> Scheduler:
    return _current[-1]

"""An event loop in virtual time: every callback is an event of the scheduler, and so may be the last one."""

import asyncio
import contextvars
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.simulation.sim_process import SimProcess
from tests.simulation.sim_scheduler import Scheduler

T = TypeVar("T")

_STEP_SECONDS = 20e-6


class SimLoop(asyncio.AbstractEventLoop):
    """The loop of one simulated process."""

    def __init__(self, scheduler: Scheduler, process: SimProcess) -> None:
        self._scheduler = scheduler
        self._process = process
        self._ready: deque[asyncio.Handle] = deque()
        self._stepping = False
        self.unhandled: list[dict[str, Any]] = []

    # --- what asyncio asks of a loop -----------------------------------------------------------------------------

    def time(self) -> float:
        return self._scheduler.now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        self._step_later()
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._scheduler.at(when, lambda: self._due(timer), self._process)
        return timer

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        # A crash drops tasks in the midst of what they do, which asyncio would complain of.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()

        def done(result: T | None, error: Exception | None) -> None:
            if not future.cancelled():
                self.call_soon(_settle, future, result, error)

        self._process.executor(executor).run(lambda: func(*args), done)
        return future

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.unhandled.append(context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer does nothing when it is due."""

    # --- how it is driven ----------------------------------------------------------------------------------------

    def begin(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task from outside."""
        return self.create_task(coroutine)

    def drop(self) -> None:
        """Forget everything, as a crash does."""
        self._ready.clear()

    def _due(self, timer: asyncio.TimerHandle) -> None:
        if not timer.cancelled():
            self._ready.append(timer)
            self._step_later()

    def _step_later(self) -> None:
        if not self._stepping:
            self._stepping = True
            self._scheduler.after(self._scheduler.random.random() * _STEP_SECONDS, self._step, self._process)

    def _step(self) -> None:
        self._stepping = False
        if not self._ready:
            return
        handle = self._ready.popleft()
        if not handle.cancelled():
            events._set_running_loop(self)
            try:
                handle._run()
            finally:
                events._set_running_loop(None)
        if self._ready:
            self._step_later()


def _settle(future: "asyncio.Future[T]", result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)

"""An event loop in virtual time: every callback is an event of the scheduler, and so may be the last one."""

import asyncio
import contextlib
import contextvars
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from tests.simulation.sim_process import SimExecutor, SimProcess
from tests.simulation.sim_scheduler import Scheduler

T = TypeVar("T")
Callback = Callable[..., object]

_STEP_SECONDS = 20e-6
_MOST_DONE_TASKS = 256


class SimLoop:
    """The loop of one simulated process: what asyncio's tasks, futures and timers ask of one, and no sockets."""

    def __init__(self, scheduler: Scheduler, process: SimProcess) -> None:
        self._scheduler = scheduler
        self._process = process
        self._ready: deque[asyncio.Handle] = deque()
        self._tasks: list[asyncio.Task[Any]] = []
        self._stepping = False
        self.as_loop = cast("asyncio.AbstractEventLoop", self)

    # --- what asyncio asks of a loop ---

    def time(self) -> float:
        return self._scheduler.now

    def call_soon(self, callback: Callback, *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self.as_loop, context)
        self._ready.append(handle)
        self._step_later()
        return handle

    def call_at(
        self, when: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self.as_loop, context)
        self._scheduler.at(when, lambda: self._due(timer), self._process)
        return timer

    def call_later(
        self, delay: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self.as_loop)

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self.as_loop, name=name, context=context)
        # A crash drops tasks in the midst of what they do, of which asyncio would complain.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        if len(self._tasks) >= _MOST_DONE_TASKS:
            self._tasks = [each for each in self._tasks if not each.done()]
        self._tasks.append(task)
        return task

    def run_in_executor(self, executor: SimExecutor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()

        def done(result: T | None, error: Exception | None) -> None:
            self.call_soon(_settle, future, result, error)

        self._process.executor(executor).run(lambda: func(*args), done)
        return future

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Exceptions that nobody asked for are the engine's to log; what they leave undone shows at the end."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer does nothing when it is due."""

    # --- how it is driven ---

    def drop(self) -> None:
        """Forget everything, as a crash does."""
        self._ready.clear()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            coroutine = task.get_coro()
            if not task.done() and coroutine is not None:
                # What it does on its way out has no effect: its process is dead.
                with contextlib.suppress(Exception):
                    cast("Coroutine[Any, Any, Any]", coroutine).close()

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
            events._set_running_loop(self.as_loop)
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

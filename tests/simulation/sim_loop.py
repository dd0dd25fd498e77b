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


class _Handle:
    """A callback and what it is called with, until it is cancelled; asyncio's own ask for more than is needed here."""

    __slots__ = ("arguments", "callback", "context", "is_cancelled")

    def __init__(self, callback: Callback, arguments: tuple[Any, ...], context: contextvars.Context | None) -> None:
        self.callback = callback
        self.arguments = arguments
        self.context = contextvars.copy_context() if context is None else context
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class SimLoop:
    """The loop of one simulated process: what asyncio's tasks, futures and timers ask of one, and no sockets."""

    def __init__(self, scheduler: Scheduler, process: SimProcess) -> None:
        self._scheduler = scheduler
        self._process = process
        self._ready: deque[_Handle] = deque()
        self._tasks: list[asyncio.Task[Any]] = []
        self._steps_at: float | None = None
        """When the next callback is called; None while there is none."""
        self._is_stepping = False
        self.as_loop = cast("asyncio.AbstractEventLoop", self)

    # --- what asyncio asks of a loop ---

    def time(self) -> float:
        return self._scheduler.now

    def call_soon(self, callback: Callback, *args: Any, context: contextvars.Context | None = None) -> _Handle:
        handle = _Handle(callback, args, context)
        self._ready.append(handle)
        if self._steps_at is None:
            self._step_later()
        return handle

    def call_at(
        self, when: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> _Handle:
        timer = _Handle(callback, args, context)
        self._scheduler.at(when, lambda: self._due(timer), self._process)
        return timer

    def call_later(
        self, delay: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> _Handle:
        return self.call_at(self._scheduler.now + delay, callback, *args, context=context)

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

    # Answers False: every task and future asks.
    get_debug = staticmethod(bool)

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Exceptions that nobody asked for are the engine's to log; what they leave undone shows at the end."""

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

    def _due(self, timer: _Handle) -> None:
        if not timer.is_cancelled:
            self._ready.append(timer)
            if self._steps_at is None:
                self._step_later()

    def _step_later(self) -> None:
        scheduler = self._scheduler
        self._steps_at = scheduler.now + scheduler.random.random() * _STEP_SECONDS
        if not self._is_stepping:
            scheduler.at(self._steps_at, self._step, self._process)

    def _step(self) -> None:
        """Call what is next, and what is next after it as long as nothing else happens in between."""
        self._is_stepping = True
        events._set_running_loop(self.as_loop)
        try:
            while True:
                self._steps_at = None
                self._call_next()
                if self._steps_at is None or not self._scheduler.goes_on_at(self._steps_at):
                    break
        finally:
            events._set_running_loop(None)
            self._is_stepping = False
        if self._steps_at is not None:
            self._scheduler.at(self._steps_at, self._step, self._process)

    def _call_next(self) -> None:
        ready = self._ready
        if not ready:
            return
        handle = ready.popleft()
        if not handle.is_cancelled:
            try:
                handle.context.run(handle.callback, *handle.arguments)
            except Exception as error:
                self.call_exception_handler({"exception": error})
        if ready and self._steps_at is None:
            self._step_later()


def _settle(future: "asyncio.Future[T]", result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)

"""Virtual time, and one thing at a time: everything that happens is an event, and the seed draws their order.

Blocking functions run in strands: greenlets, each with a stack of its own, of which one runs until it blocks. Whoever
blocks takes the next event; another strand is switched to only when the next event is its waking. Threads that hand a
lock over do the same, but took 80 times as long for it, and almost half of a schedule.
"""

import random
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Protocol

from greenlet import getcurrent, greenlet

BEGAN_SECONDS = 1_763_812_800
"""What virtual time counts from, in seconds since 1970: 2025-11-22, noon."""

Event = Callable[[], None]


class Killed(BaseException):
    """Unwinds a function whose process is gone; no `except Exception` may hold it."""


class Process(Protocol):
    """Whose events these are: while it is paused they wait, and once it is dead they never come."""

    name: str
    dead: bool
    paused_until: float


class Strand:
    """A stack on which blocking functions run, one after the other, whenever it is switched to."""

    def __init__(self, stack: greenlet) -> None:
        self.stack = stack
        self.process: Process | None = None
        self.job: Event | None = None
        self.waits = 0
        self.killed = False


class Scheduler:
    """Owns the clock, the events and the seed's random numbers. Whoever made it is its first strand."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.skipped_seconds = 0.0
        """By how much the clocks on all walls went further than anything happened."""
        self.steps = 0
        self.process: Process | None = None
        """The process whose code runs right now; None for the environment."""
        self._events: list[tuple[float, int, Process | None, Event]] = []
        self._sequence = 0
        self._main = self._running = Strand(getcurrent())
        self._next: Strand | None = None
        self._idle: list[Strand] = []
        self._busy: list[Strand] = []
        self._failure: BaseException | None = None
        self._closing = False

    @property
    def wall_seconds(self) -> float:
        """What a right clock shows, in seconds since 1970."""
        return BEGAN_SECONDS + self.now + self.skipped_seconds

    def at(self, when: float, event: Event, process: Process | None = None) -> None:
        """Have something happen at a time, as an event of a process or of the environment."""
        self._sequence += 1
        now = self.now
        heappush(self._events, (when if when > now else now, self._sequence, process, event))

    def after(self, seconds: float, event: Event, process: Process | None = None) -> None:
        self.at(self.now + seconds, event, process)

    def start(self, job: Event, process: Process) -> None:
        """Run a blocking function as an event of a process."""

        def begin() -> None:
            strand = self._idle.pop() if self._idle else self._new_strand()
            strand.process, strand.job, strand.killed = process, job, False
            self._busy.append(strand)
            self._next = strand

        self.at(self.now, begin, process)

    def sleep(self, seconds: float) -> None:
        """Block the running function for so long."""
        self.wait(seconds)

    def wait(self, seconds: float, subscribe: Callable[[Event], None] | None = None) -> None:
        """Block the running function until so much time is over, or what `subscribe` was given is called."""
        strand, process = self._running, self.process
        if strand.killed:
            raise Killed
        if subscribe is None and self.goes_on_at(self.now + seconds):
            return
        strand.waits += 1
        number = strand.waits

        def wake() -> None:
            if strand.waits == number:
                strand.waits += 1
                self._next = strand

        def told() -> None:
            if strand.waits == number:
                self.after(0.0, wake, process)

        if subscribe is not None:
            subscribe(told)
        self.after(seconds, wake, process)
        self._drive(strand)
        self.process = process
        if strand.killed:
            raise Killed

    def goes_on_at(self, when: float) -> bool:
        """Let it be then, as a step of the running process, if nothing else happens before; False if something does."""
        events, process = self._events, self.process
        when = when if when > self.now else self.now
        if self._next is not None or not events or events[0][0] <= when:
            return False
        if process is not None and (process.dead or process.paused_until > when):
            return False
        self.now = when
        self.steps += 1
        return True

    def kill(self, process: Process) -> None:
        """Unwind every blocked function of a process that is dead."""
        for strand in self._busy:
            if strand.process is process and not strand.killed:
                strand.killed = True
                self.at(self.now, self._resuming(strand))

    def close(self) -> None:
        """End every strand; what was blocked is unwound."""
        self._events.clear()
        for strand in list(self._busy):
            strand.killed = True
            self.at(self.now, self._resuming(strand))
        while self._busy:
            self.wait(0.0)
        self._closing = True
        for strand in self._idle:
            strand.stack.switch()

    def _resuming(self, strand: Strand) -> Event:
        def resume() -> None:
            if strand in self._busy:
                strand.waits += 1
                self._next = strand

        return resume

    def _new_strand(self) -> Strand:
        # At its end a strand goes on with the main one, whoever began it.
        strand = Strand(greenlet(lambda: self._live(strand), self._main.stack))
        return strand

    def _live(self, strand: Strand) -> None:
        while not self._closing:
            job, strand.job = strand.job, None
            if job is not None:
                self._run(strand, job)
            self._drive(strand)

    def _run(self, strand: Strand, job: Event) -> None:
        self.process = strand.process
        try:
            job()
        except Killed:
            pass
        except BaseException as error:
            self._fail(error)
        self._busy.remove(strand)
        self._idle.append(strand)

    def _drive(self, me: Strand) -> None:
        """Let events happen until it is my turn again."""
        following, self._next = self._happen(), None
        self._running = following
        if following is not me:
            following.stack.switch()
        if me is self._main and self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _happen(self) -> Strand:
        """Let events happen until one of them wakes a strand."""
        events = self._events
        while self._next is None:
            if not events:
                self._fail(RuntimeError("nothing is left to happen"))
                continue
            # No event is put before now, so that none is popped before it.
            now, _, process, event = heappop(events)
            self.now = now
            if process is not None:
                if process.dead:
                    continue
                if process.paused_until > now:
                    self.at(process.paused_until, event, process)
                    continue
            self.process = process
            self.steps += 1
            try:
                event()
            except Exception as error:
                self._fail(error)
        return self._next

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._next = self._main

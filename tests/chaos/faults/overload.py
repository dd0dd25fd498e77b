"""More than a worker can take, for a while."""

import os
import time
from http import HTTPStatus

from tests.chaos.errors import ChaosError
from tests.chaos.fault import Fault
from tests.chaos.faults.loads import require_bounded_memory
from tests.chaos.load import FLAT_OUT, Load
from tests.chaos.stage import Stage

_OVERLOAD_SECONDS, _SHORT_OVERLOAD_SECONDS = 120.0, 15.0
_FACTOR, _SENT_FACTOR = 3.0, 3.5
_SETTLED_SECONDS = 5.0
_MOST_NICE = 15
_NICER = 3
_LONGEST = 5
"""How many times as long it may take to reach the factor: the load must first get its share of the machine."""
_ROUND_EVENTS = 200_000
_BACKLOG_EVENTS, _SHORT_BACKLOG_EVENTS = 200_000, 40_000
_BOOKED_SECONDS = 1_200.0
_LOOK_SECONDS = 10.0
_MOST_PROBE_FAILURES = 3
_ACCOUNTS = 20_000


def _overload(stage: Stage) -> None:
    """Three times what one worker takes, by its own figures; its probe never fails, and its lag falls afterwards."""
    capacity = _capacity(stage)
    stage.say(f"one worker takes {capacity:.0f} events a second")
    seconds = _OVERLOAD_SECONDS if stage.long else _SHORT_OVERLOAD_SECONDS
    burst = _load(stage, "burst", rate=int(_FACTOR * capacity), events=0)
    probe = _Probe(stage)
    burst.start()
    stage.wait_until(lambda: burst.sent > 0, "a burst that is made")
    before, began = stage.watch.input_ends(), time.monotonic()
    taken_rate, factor = capacity, 0.0
    while (lasted := time.monotonic() - began) < seconds or (factor <= _FACTOR and lasted < _LONGEST * seconds):
        probe.ask()
        stage.sleep(1)
        if lasted > _SETTLED_SECONDS:
            # Broker, load and worker share the machine: what counts is what the worker takes meanwhile.
            taken_rate = min(capacity, stage.watch.booked_since(before) / lasted)
            burst.pace(int(_SENT_FACTOR * taken_rate))
            factor = burst.sent / lasted / taken_rate
            if factor <= _FACTOR:
                _leave_it_less(stage)
    said = f"{burst.sent / lasted:.0f} events a second were sent for {lasted:.0f} s, {factor:.1f} times what was taken"
    stage.sent += burst.finish()
    stage.prove(said, holds=factor > _FACTOR)
    stage.over()
    _await_falling_lag(stage, probe)
    require_bounded_memory(stage)
    stage.await_recovery()


def _leave_it_less(stage: Stage) -> None:
    """Where the load cannot send three times as much, worker and what is beside it get less of the machine."""
    running = stage.workers[0].running
    for pid in (running.pid, *running.children()):
        nice = os.getpriority(os.PRIO_PROCESS, pid)
        if nice < _MOST_NICE:
            os.setpriority(os.PRIO_PROCESS, pid, nice + _NICER)


def _await_falling_lag(stage: Stage, probe: "_Probe") -> None:
    deadline, lags = time.monotonic() + _BOOKED_SECONDS, [stage.watch.lag()]
    while not stage.has_recovered():
        probe.ask()
        stage.sleep(_LOOK_SECONDS)
        lags.append(stage.watch.lag())
        stage.say(f"{lags[-1]} offsets behind")
        if time.monotonic() > deadline:
            raise ChaosError(f"the lag is not worked off within {_BOOKED_SECONDS:.0f} s: {lags}")
        if len(lags) > 3 and lags[-1] > lags[-4]:
            raise ChaosError(f"the lag does not fall after the burst: {lags}")


def _capacity(stage: Stage) -> float:
    """Events a second that the worker books while it has a backlog."""
    stage.freeze(stage.workers[0])
    backlog = _load(stage, "backlog", rate=FLAT_OUT, events=_BACKLOG_EVENTS if stage.long else _SHORT_BACKLOG_EVENTS)
    backlog.start()
    events = backlog.finish()
    stage.sent += events
    stage.thaw(stage.workers[0])
    # Its session may have passed meanwhile: what is measured is booking alone.
    ends, most = stage.watch.input_ends(), stage.watch.lag()
    stage.wait_until(lambda: stage.watch.lag() < most, "the first checkpoint of the backlog")
    began, left = time.monotonic(), sum(stage.watch.behind(ends).values())
    stage.wait_until(lambda: stage.watch.booked(ends), "a backlog that is booked")
    return left / (time.monotonic() - began)


def _load(stage: Stage, name: str, *, rate: int, events: int) -> Load:
    servers, topics = stage.kafka.bootstrap_servers, stage.system.topics
    return Load(
        servers, topics, events=events, rate=rate, name=name, round_events=_ROUND_EVENTS, accounts=_ACCOUNTS, agents=1
    )


class _Probe:
    """Asks for health as an orchestrator does: the third failure in a row would end the worker."""

    def __init__(self, stage: Stage) -> None:
        self._workers = stage.workers
        self._failures = 0

    def ask(self) -> None:
        """One round; ChaosError at the third in a row that fails."""
        answers = [(each.title, *each.running.get("/healthz")) for each in self._workers]
        unwell = [answer for answer in answers if answer[1] != HTTPStatus.OK]
        self._failures = self._failures + 1 if unwell else 0
        if self._failures >= _MOST_PROBE_FAILURES:
            raise ChaosError(f"a worker fails its probe under load: {unwell}")


FAULTS = [
    Fault(
        name="overload",
        about="three times what a worker takes for 2 min (15 s with --quick): bounded memory, health, lag falls",
        breaks=_overload,
        workers=1,
    )
]

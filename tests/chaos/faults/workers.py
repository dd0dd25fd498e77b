"""Workers that stand still, come and go, or are not alone."""

import signal

from tests.chaos.fault import Fault
from tests.chaos.stage import Stage

_LONGER_THAN_SESSION_SECONDS = 9.0
_SWAPS = 5


def _zombie(stage: Stage) -> None:
    stage.sleep(2)
    zombie = stage.workers[0]
    zombie.running.signal(signal.SIGSTOP)
    stage.sleep(_LONGER_THAN_SESSION_SECONDS)
    zombie.running.signal(signal.SIGCONT)
    stage.over()


def _all_zombies(stage: Stage) -> None:
    stage.sleep(2)
    for each in stage.workers:
        each.running.signal(signal.SIGSTOP)
    stage.sleep(_LONGER_THAN_SESSION_SECONDS)
    for each in stage.workers:
        each.running.signal(signal.SIGCONT)
    stage.over()


def _swap(stage: Stage) -> None:
    for number in range(_SWAPS):
        leaving = stage.workers[number % 2]
        stage.sleep(2)
        stage.stop(leaving)
        stage.sleep(2)
        stage.begin(leaving)
        stage.sleep(2)
    stage.over()


def _killed_in_turn(stage: Stage) -> None:
    for number in range(_SWAPS):
        stage.sleep(2)
        stage.kill(stage.workers[number % 2])
    stage.over()


def _rolling_restart(stage: Stage) -> None:
    for each in stage.workers:
        stage.sleep(2)
        stage.stop(each)
        stage.begin(each)
        stage.wait_until(lambda ready=each.running: ready.get("/readyz")[0] == 200, "ready again")  # type: ignore[misc]
    stage.over()


FAULTS = [
    Fault(
        name="zombie",
        about="one of two workers stopped for longer than its session, then continued",
        breaks=_zombie,
    ),
    Fault(name="all-zombies", about="both workers stopped for longer than their session", breaks=_all_zombies),
    Fault(name="swap", about="two workers leave and come back in turn, every two seconds", breaks=_swap),
    Fault(name="kill-in-turn", about="two workers killed -9 in turn, every two seconds", breaks=_killed_in_turn),
    Fault(name="rolling-restart", about="three workers restarted in order", breaks=_rolling_restart, workers=3),
]

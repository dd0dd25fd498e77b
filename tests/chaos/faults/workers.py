"""Workers that stand still, come and go, or are not alone."""

from tests.chaos.fault import Fault
from tests.chaos.stage import Stage

_LONGER_THAN_SESSION_SECONDS = 9.0
_SWAPS = 5
_MANY_ACCOUNTS = {"accounts": 100_000, "distribution": "uniform", "agents": 1}
_MANY_EVENTS = 400_000
_TAKE_OVER_SECONDS, _RESTART_SECONDS = 15.0, 5.0


def _zombie(stage: Stage) -> None:
    stage.sleep(2)
    claims = stage.watch.claims()
    zombie = stage.workers[0]
    stage.freeze(zombie)
    stage.sleep(_LONGER_THAN_SESSION_SECONDS)
    stage.wait_until(lambda: stage.watch.claims() > claims, "another worker that takes over")
    stage.prove(f"{stage.watch.claims() - claims} partitions were taken over while their owner stood still")
    stage.thaw(zombie)
    stage.over()


def _all_zombies(stage: Stage) -> None:
    stage.sleep(2)
    for each in stage.workers:
        stage.freeze(each)
    stage.sleep(_LONGER_THAN_SESSION_SECONDS)
    stage.wait_until(lambda: stage.watch.members() == 0, "a group that has lost all its workers")
    stage.prove("the group had lost all its workers")
    for each in stage.workers:
        stage.thaw(each)
    stage.over()


def _swap(stage: Stage) -> None:
    claims = stage.watch.claims()
    for number in range(_SWAPS):
        leaving = stage.workers[number % 2]
        stage.sleep(2)
        stage.stop(leaving)
        stage.sleep(2)
        stage.begin(leaving)
        stage.sleep(2)
    taken = stage.watch.claims() - claims
    stage.prove(f"{taken} times a partition was taken over", holds=taken > _SWAPS)
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
        stage.wait_ready(each)
    stage.over()


def _take_over(stage: Stage) -> None:
    """Of 100,000 accounts: one of two workers is killed and stays away; the other takes all of it over."""
    _fill(stage)
    claims = stage.watch.claims()
    stage.take_down(stage.workers[0])
    stage.over()
    stage.await_recovery()
    taken = stage.watch.claims() - claims
    stage.prove(f"{taken} partitions were taken over", holds=taken > 0)


def _restart(stage: Stage) -> None:
    """Of 100,000 accounts: the only worker ends in order, and starts again at once."""
    _fill(stage)
    claims = stage.watch.claims()
    stage.stop(stage.workers[0])
    stage.begin(stage.workers[0])
    stage.over()
    stage.await_recovery()
    taken = stage.watch.claims() - claims
    stage.prove(f"{taken} partitions were taken over", holds=taken > 0)


def _fill(stage: Stage) -> None:
    """Let every account have a balance."""
    stage.sleep(1)
    stage.wait_until(lambda: stage.load.sent >= _MANY_EVENTS, f"{_MANY_EVENTS} events sent")
    stage.load.hold(rate=1_500)
    stage.wait_booked()
    stage.load.go_on()
    stage.sleep(2)


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
    Fault(
        name="take-over-100k-accounts",
        about="one of two workers killed for good, 100,000 accounts, the default session of 10 s: within 15 s",
        breaks=_take_over,
        load=_MANY_ACCOUNTS,
        rate=1_000_000,
        events=_MANY_EVENTS + 50_000,
        session_seconds=10,
        within_seconds=_TAKE_OVER_SECONDS,
    ),
    Fault(
        name="restart-100k-accounts",
        about="the only worker ends in order and starts again, 100,000 accounts: within 5 s",
        breaks=_restart,
        workers=1,
        load=_MANY_ACCOUNTS,
        rate=1_000_000,
        events=_MANY_EVENTS + 50_000,
        session_seconds=10,
        within_seconds=_RESTART_SECONDS,
    ),
]

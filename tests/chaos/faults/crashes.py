"""A worker dies at each named step of a checkpoint and of a take-over, and while it restores."""

from tests.chaos.crew import KILLED
from tests.chaos.fault import Fault
from tests.chaos.member import Member
from tests.chaos.stage import Stage

_CHECKPOINT_STEPS = ("begun", "produced", "committed")
_TAKE_OVER_STEPS = ("fenced", "claimed", "restored")
_KILLS_DURING_RESTORE = 3
_RESTORING_SECONDS = 30.0


def _at_checkpoint(step: str) -> Fault:
    def breaks(stage: Stage) -> None:
        stage.sleep(2)
        # The 40th: some checkpoints into its life, with the other worker busy too.
        doomed = stage.workers[0]
        doomed.running.kill()
        doomed.running.restart(crash_point=f"checkpoint.{step}:40")
        stage.wait_ended(doomed, KILLED)
        stage.over()

    return Fault(
        name=f"crash-checkpoint-{step}",
        about=f"kill -9 of one of two workers when a checkpoint's transaction is {step}",
        breaks=breaks,
    )


def _at_take_over(step: str) -> Fault:
    def breaks(stage: Stage) -> None:
        stage.sleep(3)
        doomed = stage.workers[0]
        doomed.running.kill()
        doomed.running.restart(crash_point=f"takeover.{step}:2")
        stage.wait_ended(doomed, KILLED)
        stage.over()

    return Fault(
        name=f"crash-takeover-{step}",
        about=f"kill -9 of a restarted worker when it has {step} the second partition that it takes over",
        breaks=breaks,
    )


def _kill_during_restore(stage: Stage) -> None:
    stage.sleep(6)
    doomed = stage.workers[0]
    for _ in range(_KILLS_DURING_RESTORE):
        stage.kill(doomed)
        stage.wait_until(lambda: _is_restoring(doomed), "a take-over", _RESTORING_SECONDS)
        stage.prove("a take-over was restoring")
    stage.kill(doomed)
    stage.over()


def _is_restoring(worker: Member) -> bool:
    status, text = worker.running.get("/readyz")
    return status != 0 and "records restored" in text and " taking_over" in text


FAULTS = [
    *(_at_checkpoint(step) for step in _CHECKPOINT_STEPS),
    *(_at_take_over(step) for step in _TAKE_OVER_STEPS),
    Fault(
        name="kill-during-restore",
        about="kill -9 of the only worker, three times while it restores, and once more",
        breaks=_kill_during_restore,
        workers=1,
        load={"accounts": 50_000, "distribution": "uniform"},
        rate=4_000,
    ),
]

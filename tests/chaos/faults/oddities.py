"""Workers that lose batches, fail in the middle of one, restore slowly, or do not poll."""

from tests.chaos.fault import Fault
from tests.chaos.odd_workers import absent, clumsy, forgetful, slow
from tests.chaos.stage import Stage

_ODD_SECONDS = 15.0
_SEEN_SECONDS = 90.0
_HAPPENS = 3


def _batches_lost(stage: Stage) -> None:
    stage.wait_until(lambda: stage.said(forgetful.LOST) >= _HAPPENS, "batches that are lost", _SEEN_SECONDS)
    stage.sleep(_ODD_SECONDS)
    stage.prove(f"{stage.said(forgetful.LOST)} batches were lost on their way")
    stage.prove("no worker ended for it", holds=not stage.restarts)
    stage.over()


def _batches_broken(stage: Stage) -> None:
    stage.wait_until(lambda: stage.said(clumsy.FAILED) >= _HAPPENS, "batches that fail", _SEEN_SECONDS)
    stage.sleep(_ODD_SECONDS)
    stage.prove(f"{stage.said(clumsy.FAILED)} exceptions in the middle of a batch were told")
    stage.over()


def _slow_restore(stage: Stage) -> None:
    """One of two is killed when both have restored: all restore again, for longer than their session."""
    restores = stage.said(slow.SLOW)
    stage.sleep(3)
    stage.kill(stage.workers[0])
    stage.wait_until(lambda: stage.said(slow.SLOW) > restores, "a slow restore", _SEEN_SECONDS)
    stage.prove(f"{stage.said(slow.SLOW)} restores took three times the session")
    stage.over()


def _poll_interval_passed(stage: Stage) -> None:
    claims = stage.watch.claims()
    stage.wait_until(lambda: stage.said(absent.STOOD_STILL) > 0, "a worker that stands still", _SEEN_SECONDS)
    stage.wait_until(lambda: stage.watch.claims() > claims, "partitions that are taken over", _SEEN_SECONDS)
    stage.prove(f"{stage.said(absent.STOOD_STILL)} times a worker did not poll for twice its interval")
    stage.over()


FAULTS = [
    Fault(
        name="batch-lost",
        about="every 20th batch is lost between reader and booking, without a restart",
        breaks=_batches_lost,
        worker_module="tests.chaos.odd_workers.forgetful",
    ),
    Fault(
        name="batch-broken",
        about="an exception in the middle of every 30th batch or so",
        breaks=_batches_broken,
        worker_module="tests.chaos.odd_workers.clumsy",
    ),
    Fault(
        name="slow-restore",
        about="restores that take three times the session, after a kill -9",
        breaks=_slow_restore,
        worker_module="tests.chaos.odd_workers.slow",
    ),
    Fault(
        name="poll-interval-passed",
        about="workers that do not poll for twice their poll interval, while their heartbeats go on",
        breaks=_poll_interval_passed,
        worker_module="tests.chaos.odd_workers.absent",
    ),
]

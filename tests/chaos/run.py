"""Runs one fault from an empty broker to its row of the matrix."""

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.errors import ChaosError
from tests.chaos.fault import Fault
from tests.chaos.matrix import Row
from tests.chaos.stage import Stage, staged

_LONGEST_FAULT_SECONDS = 3_600


def run_fault(fault: Fault, events: int, *, long: bool) -> Row:
    """Whatever goes wrong is a finding about this fault, and in its row: the others are still to be tried."""
    folder = Path(tempfile.mkdtemp(prefix=f"creditstream-chaos-{fault.name}-"))
    row = Row(fault=fault.name, within_seconds=fault.within_seconds)
    began = time.monotonic()
    stage: Stage | None = None
    try:
        with _no_longer_than(_LONGEST_FAULT_SECONDS), staged(fault, folder, events=events, long=long) as stage:
            _break(fault, stage, row)
    except Exception as error:
        row.problems.append(f"{type(error).__name__}: {error}")
    if stage is not None:
        row.restarts, row.memory_mib, row.injected = stage.restarts, stage.most_memory_mib, stage.proofs
        row.recover_seconds, row.refused_seconds = stage.recover_seconds, stage.refused_seconds
        row.events = stage.sent
    row.took_seconds = time.monotonic() - began
    if row.passed:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"  {fault.name}: logs are kept in {folder}", file=sys.stderr)
    return row


def _break(fault: Fault, stage: Stage, row: Row) -> None:
    fault.breaks(stage)
    if stage.refused_seconds is None:
        stage.await_recovery()
        stage.settle()
    verdict = stage.verdict()
    row.accepted, row.lost, row.doubled, row.drift = verdict.accepted, verdict.lost, verdict.doubled, verdict.drift
    row.problems += verdict.found


@contextmanager
def _no_longer_than(seconds: int) -> Iterator[None]:
    """ChaosError wherever it is by then: a fault that hangs must not keep the others from being tried."""

    def give_up(*_: object) -> None:
        raise ChaosError(f"the fault took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

"""The process beside a worker answers as rolling up here does, and whatever becomes of it costs no figure."""

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from stream.rollups import beside
from stream.rollups.__main__ import answer
from stream.rollups.beside import MOST_ATTEMPTS, RollerBeside, RollUpFailedError
from stream.rollups.roller import Roller
from tests.processes import runs, wait_until
from tests.unit.charge_rows import charge_row
from tests.unit.test_roller import charged, job, rows


@pytest.fixture
def roller() -> Iterator[RollerBeside]:
    roller = RollerBeside()
    roller.start()
    yield roller
    roller.close()


def pid_of(roller: RollerBeside) -> int:
    """Of the process that is there now."""
    assert roller._process is not None
    return roller._process.child.pid


def test_it_answers_as_rolling_up_here_does(roller: RollerBeside) -> None:
    """Checkpoint after checkpoint, an empty one and one of several records among them."""
    here = Roller()
    records = [charged(*(charge_row(event_id=f"{place}") for place in range(2_000))) for _ in range(4)]
    for version, charges in enumerate([records[:1], records, [], records[:2]], start=1):
        assert roller.roll_up(job(version), charges) == here.roll_up(job(version), charges)


def test_partitions_ask_at_the_same_time(roller: RollerBeside) -> None:
    """Each gets its own answer."""
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(
            lambda partition: rows(
                roller.roll_up(job(1, partition=partition), [charged(*[charge_row()] * (partition + 1))])
            ),
            range(40),
        )
    assert [row.events for (row,) in found] == list(range(1, 41))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_another_process_goes_on_where_one_ended_or_hangs(
    roller: RollerBeside, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """In segments of their own: what the rows before had counted stays as it was written."""
    roller.roll_up(job(1), [charged(charge_row())])
    first = pid_of(roller)
    assert roller._process is not None
    roller._process._connection.settimeout(1.0)
    monkeypatch.setattr(beside, "_END_SECONDS", 0.1)
    os.kill(first, number)
    (row,) = rows(roller.roll_up(job(2), [charged(charge_row())]))
    assert (row.segment, row.events) == (2, 1)
    assert pid_of(roller) != first
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_what_no_process_understands_is_told_after_three(capfd: pytest.CaptureFixture[str]) -> None:
    """And the next checkpoint is rolled up."""
    with closing(RollerBeside()) as roller:
        with pytest.raises(RollUpFailedError, match="partition 5"):
            roller.roll_up(job(1), [b"no charges"])
        assert capfd.readouterr().err.count("msgspec.ValidationError") == MOST_ATTEMPTS
        assert len(roller.roll_up(job(2), [charged(charge_row())])) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_to_the_whole_group_leave_it_to_answer(roller: RollerBeside, number: signal.Signals) -> None:
    """A worker that was told to stop still writes its last checkpoints."""
    roller.roll_up(job(1), [charged(charge_row())])
    first = pid_of(roller)
    os.kill(first, number)
    (row,) = rows(roller.roll_up(job(2), [charged(charge_row())]))
    assert (row.segment, row.events, pid_of(roller)) == (1, 2, first)


def test_it_ends_with_its_worker() -> None:
    """One that is killed has no time to end it."""
    code = (
        "from stream.rollups.beside import RollerBeside\n"
        "roller = RollerBeside(); roller.start(); print(roller._process.child.pid, flush=True); input()"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdin is not None
    child = int(worker.stdout.readline())
    worker.kill()
    worker.wait()
    worker.stdin.close()
    worker.stdout.close()
    wait_until(lambda: not runs(child), 10)


@pytest.mark.parametrize("said", [b"", b"\2\0\0", struct.pack("<QQ", 1, 9) + b"half"])
def test_it_ends_quietly_when_its_worker_breaks_off(said: bytes) -> None:
    """Each row is what a worker had said when it was killed."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(said)
    answer(theirs)
    assert theirs.fileno() == -1


def test_who_starts_it_by_hand_is_told_that_a_worker_does() -> None:
    """It has nobody to answer."""
    run = [sys.executable, "-m", "stream.rollups"]
    ended = subprocess.run(run, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "a worker starts this" in ended.stderr


def test_it_is_there_once_it_is_asked() -> None:
    """`start` only has it begin earlier."""
    roller = RollerBeside()
    assert roller._process is None
    assert len(roller.roll_up(job(1), [charged(charge_row())])) == 1
    child = pid_of(roller)
    roller.close()
    assert not runs(child)

"""Processes of the local stack: recorded, found again, ended for sure."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local.process import BackgroundProcess, exists

WAIT_SECONDS = 20
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


def wait_for(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS} s"
        time.sleep(0.02)


def sleeper(folder: Path, seconds: int = 60) -> list[str]:
    return [sys.executable, "-c", f"import time; time.sleep({seconds})  # {folder}"]


def test_another_object_on_the_folder_finds_and_ends_the_process(tmp_path: Path) -> None:
    """A later command needs nothing but the folder."""
    first = BackgroundProcess("sleeper", tmp_path)
    first.spawn(sleeper(tmp_path), 1234, marker=str(tmp_path))
    second = BackgroundProcess("sleeper", tmp_path)
    wait_for(second.running)
    found = second.running()
    assert found is not None
    assert (found.pid, found.port) == (first.running().pid, 1234)  # type: ignore[union-attr]
    second.stop()
    assert second.running() is None
    wait_for(lambda: first.running() is None)
    assert not list(tmp_path.glob("*.json"))


def test_a_process_that_ignores_the_request_to_end_is_killed_after_the_grace(tmp_path: Path) -> None:
    """Stopping always ends it."""
    process = BackgroundProcess("stubborn", tmp_path)
    process.spawn([sys.executable, "-c", STUBBORN], 1, marker="signal.SIG_IGN")
    wait_for(lambda: "ready" in process.log_tail())
    process.stop(grace_seconds=0.2)
    assert process.running() is None
    assert process.exit_code() == -signal.SIGKILL


def test_a_frozen_process_can_be_stopped(tmp_path: Path) -> None:
    """A stopped process is continued, so that it can end."""
    process = BackgroundProcess("sleeper", tmp_path)
    process.spawn(sleeper(tmp_path), 1, marker=str(tmp_path))
    process.freeze()
    process.stop()
    assert process.exit_code() == -signal.SIGTERM


def test_a_reused_pid_is_not_mistaken_for_the_process(tmp_path: Path) -> None:
    """A record whose pid now belongs to something else is as good as none, and nobody is killed by it."""
    process = BackgroundProcess("sleeper", tmp_path)
    (tmp_path / "sleeper.json").write_text(f'{{"pid": {os.getpid()}, "port": 1, "marker": "{tmp_path}"}}')
    assert process.running() is None
    process.stop()


def test_a_leashed_command_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    """An owner that dies by kill -9 leaves nothing behind."""
    owner = subprocess.Popen(sleeper(tmp_path))
    process = BackgroundProcess("leashed", tmp_path)
    pid_file = tmp_path / "child"
    child = f"import os, pathlib, time; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    process.spawn([sys.executable, "-c", child], 1, marker=str(pid_file), owner_pid=owner.pid)
    wait_for(lambda: pid_file.exists() and pid_file.read_text())
    pid = int(pid_file.read_text())
    owner.kill()
    owner.wait()
    wait_for(lambda: not exists(pid))
    wait_for(lambda: process.running() is None)


def test_killing_a_leashed_command_ends_both(tmp_path: Path) -> None:
    """The leash goes with the command, at once."""
    process = BackgroundProcess("leashed", tmp_path)
    process.spawn(sleeper(tmp_path), 1, marker=str(tmp_path), owner_pid=os.getpid())
    process.kill()
    assert process.running() is None
    assert process.exit_code() == -signal.SIGKILL


def test_the_log_tail_is_the_end_of_the_log(tmp_path: Path) -> None:
    """A failure shows the last lines, not the first."""
    process = BackgroundProcess("talker", tmp_path)
    process.spawn([sys.executable, "-c", "[print(n) for n in range(100)]"], 1, marker="range(100)")
    wait_for(lambda: process.running() is None)
    assert process.log_tail(3) == "97\n98\n99"

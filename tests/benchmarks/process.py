"""Runs one process of the benchmark, with its output in a file, for as long as it is needed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_LOG_TAIL_CHARACTERS = 2_000


class BenchmarkError(Exception):
    """A contestant that did not do its work: which one, and the end of what it printed."""


class Contestant:
    """A process that runs; `log_file` has what it printed."""

    def __init__(self, name: str, child: subprocess.Popen[bytes], log_file: Path) -> None:
        self.name = name
        self._child = child
        self._log_file = log_file

    def require_running(self) -> None:
        """BenchmarkError when it ended."""
        if self._child.poll() is not None:
            raise self.failure(f"ended with {self._child.returncode}")

    def wait(self, timeout_seconds: float) -> None:
        """Until it ended well; BenchmarkError otherwise."""
        try:
            code = self._child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise self.failure(f"took more than {timeout_seconds:.0f} s") from None
        if code:
            raise self.failure(f"ended with {code}")

    def failure(self, what: str) -> BenchmarkError:
        """An error that shows the end of the log."""
        tail = self._log_file.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARACTERS:]
        return BenchmarkError(f"{self.name} {what}. It printed last:\n{tail}")


@contextmanager
def running(
    name: str, arguments: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Contestant]:
    """Run `python -m` with these arguments; it is killed at the end of the block, and when this process is."""
    log_file = folder / f"{name}.log"
    command = [sys.executable, "-m", "deploy.local.leash", str(os.getpid()), sys.executable, "-m", *arguments]
    with log_file.open("wb") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=_ROOT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield Contestant(name, child, log_file)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()

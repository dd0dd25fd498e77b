"""The project's processes as tests run them: started with settings, killed, and never left running."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.ports import free_port

ROOT = Path(__file__).resolve().parent.parent


class ProcessDiedError(Exception):
    """A process ended though it should not have; with the end of its log."""


class Running:
    """`python -m MODULE ARGUMENTS` with settings; its log is in a file."""

    def __init__(self, module: str, *arguments: str, log: Path, **settings: object) -> None:
        self.http_port = free_port()
        self.log = log
        self._command = [sys.executable, "-m", module, *arguments]
        self._environ = {
            **os.environ,
            **{f"CREDITSTREAM_{name.upper()}": str(value) for name, value in settings.items()},
            "CREDITSTREAM_HTTP_PORT": str(self.http_port),
        }
        self._process = self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def get(self, path: str) -> tuple[int, str]:
        """The status and body of an HTTP endpoint; status 0 when nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all series that have these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{key}="{text}"' in series for key, text in labels.items()):
                total += float(value)
        return total

    def wait_ready(self, timeout_seconds: float = 60.0) -> None:
        """Return once /readyz says so."""
        wait_until(lambda: self.alive() and self.get("/readyz")[0] == 200, timeout_seconds, self._tail)

    def alive(self) -> bool:
        """True, or ProcessDiedError with the end of the log."""
        if self._process.poll() is not None:
            raise ProcessDiedError(f"{self._command} ended with {self._process.returncode}:\n{self._tail()}")
        return True

    def wait(self, timeout_seconds: float = 30.0) -> int:
        """The exit code, once it ended by itself."""
        return self._process.wait(timeout_seconds)

    def kill(self) -> None:
        """As `kill -9` does."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def stop(self, timeout_seconds: float = 30.0) -> int:
        """Ask it to end; its exit code."""
        self.signal(signal.SIGTERM)
        return self._process.wait(timeout_seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if it still runs."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def children(self) -> list[int]:
        """The processes that it started, and that run."""
        pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if runs(pid) and stat_of(pid)[1:2] == [str(self.pid)]]

    def restart(self, **settings: object) -> None:
        """Start it again, with more settings, after it ended."""
        self._environ.update({f"CREDITSTREAM_{name.upper()}": str(value) for name, value in settings.items()})
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self._log_before_bytes = log.tell()
            return subprocess.Popen(
                self._command, cwd=ROOT, env=self._environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def said(self) -> str:
        """What it wrote to its log since it was started last."""
        return self.log.read_bytes()[self._log_before_bytes :].decode(errors="replace")

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()


def stat_of(pid: int) -> list[str]:
    """What Linux tells of a process behind its name: state, parent and so on; nothing when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return []


def runs(pid: int) -> bool:
    """Whether a process is there, and not only waits to be told how it ended."""
    return stat_of(pid)[:1] not in ([], ["Z"])


def wait_until(holds: Callable[[], bool], timeout_seconds: float, explain: Callable[[], str] = str) -> None:
    """Return once it holds; TimeoutError with an explanation otherwise."""
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_seconds:.0f} s\n{explain()}")
        time.sleep(0.1)

"""One background process and its folder: started in a session of its own, recorded, found again, ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from deploy.local.errors import LocalStackError

_POLL_SECONDS = 0.05
_KILL_SECONDS = 10
_LOG_TAIL_BYTES = 64 << 10


class Running(Struct, frozen=True):
    """What is recorded of a process: `marker` is in its command line, and tells it from one that got its pid."""

    pid: int
    port: int
    marker: str


class BackgroundProcess:
    """A process with its record and its log in a folder; it goes on when the starter ends, unless leashed."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder.resolve()
        self.log_file = self.folder / f"{name}.log"
        self._record_file = self.folder / f"{name}.json"
        self._child: subprocess.Popen[bytes] | None = None

    def spawn(
        self,
        command: list[str],
        port: int,
        marker: str,
        owner_pid: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the command with its output appended to the log; it ends with the owner when there is one."""
        leash = [sys.executable, "-m", "deploy.local.leash", str(owner_pid)] if owner_pid is not None else []
        try:
            with self.log_file.open("ab") as log:
                self._child = subprocess.Popen(
                    [*leash, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env=None if environment is None else {**os.environ, **environment},
                    start_new_session=True,
                )
        except OSError as error:
            raise LocalStackError(f"could not start {self.name} in {self.folder}: {error}.") from error
        try:
            self._write(Running(self._child.pid, port, marker))
        except OSError as error:
            os.killpg(self._child.pid, signal.SIGKILL)
            raise LocalStackError(f"could not record {self.name} in {self.folder}: {error}.") from error

    def running(self) -> Running | None:
        """The record of the process while it lives."""
        record = self._read()
        if record is None:
            return None
        # Our own child is asked directly: right after its start the command line is not there yet.
        if self._child is not None and self._child.pid == record.pid:
            return record if self._child.poll() is None else None
        return record if record.marker in _command_line(record.pid) else None

    def exit_code(self) -> int | None:
        """How the process that this object started ended; None while it runs."""
        return self._child.poll() if self._child is not None else None

    def stop(self, grace_seconds: float = 20) -> None:
        """End the process: asked first, killed after the grace; nothing to do when it is not running."""
        if self.running() is not None and self._signal(signal.SIGCONT) and self._signal(signal.SIGTERM):
            deadline = time.monotonic() + grace_seconds
            while self.running() is not None and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        if self.running() is not None and self._signal(signal.SIGKILL):
            # All of the group: a leashed command may hold its port a moment longer than the leash lives.
            deadline = time.monotonic() + _KILL_SECONDS
            while (self.running() is not None or self._signal(0)) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        self._record_file.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stop the process from running without ending it, as a long pause would."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process run again."""
        self._signal(signal.SIGCONT)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the log."""
        try:
            with self.log_file.open("rb") as log:
                log.seek(max(0, self.log_file.stat().st_size - _LOG_TAIL_BYTES))
                text = log.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _signal(self, number: int) -> bool:
        """Whether the process group was there to be signalled; 0 only asks."""
        record = self._read()
        if record is None:
            return False
        try:
            os.killpg(record.pid, number)
        except ProcessLookupError:
            return False
        return True

    def _read(self) -> Running | None:
        try:
            return msgspec.json.decode(self._record_file.read_bytes(), type=Running)
        except (OSError, msgspec.MsgspecError):
            return None

    def _write(self, record: Running) -> None:
        scratch = self._record_file.with_suffix(".tmp")
        scratch.write_bytes(msgspec.json.format(msgspec.json.encode(record)))
        scratch.replace(self._record_file)


def exists(pid: int) -> bool:
    """Whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command_line(pid: int) -> str:
    """The arguments of a living process; empty when it is gone or a zombie."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            return ""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout

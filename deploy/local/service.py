"""What Kafka and ClickHouse on this machine have in common: a folder, a port, a life."""

import os
import time
from abc import ABC, abstractmethod
from pathlib import Path

from deploy.local.disk import require_space
from deploy.local.errors import LocalStackError, PortTakenError
from deploy.local.exclusive import exclusive
from deploy.local.ports import LOOPBACK, free_port, require_free
from deploy.local.process import BackgroundProcess

_START_TIMEOUT_SECONDS = 90
_STARTS = 3
_POLL_SECONDS = 0.05
_REASON_LINES = 300
"""Stack traces may follow the line that says why."""


class LocalService(ABC):
    """A server whose data, log and port stay in its folder, so that it can be stopped, killed, started again."""

    title: str
    """Its name in messages."""
    host = LOOPBACK

    def __init__(self, folder: Path, port: int | None = None, *, owner_pid: int | None = None) -> None:
        """Without `port` a free one is chosen and kept; with `owner_pid` the server ends when the owner does."""
        self.folder = folder.resolve()
        self._wanted_port = port
        self._owner_pid = owner_pid
        self._process = BackgroundProcess(self.title.lower(), self.folder)
        self._port_file = self.folder / "port"

    @abstractmethod
    def answers(self) -> bool:
        """Whether it runs and answers its clients."""

    @abstractmethod
    def _command(self, port: int) -> tuple[list[str], str]:
        """Make ready to run; the command and the part of it that no other process has."""

    @property
    def port(self) -> int:
        """The port it listens on, or will."""
        running = self._process.running()
        return running.port if running is not None else self._kept_port()

    @property
    def log_file(self) -> Path:
        return self._process.log_file

    @property
    def pid(self) -> int | None:
        """The process, and the process group, while it lives."""
        running = self._process.running()
        return running.pid if running is not None else None

    def start(self) -> None:
        """Have it running and answering; one that already does is left alone."""
        require_space(self.folder)
        with exclusive(self.folder / ".lock"):
            if self._process.running() is not None:
                self._require_wanted_port()
                self.wait_ready()
                return
            if self._wanted_port is not None or self._port_file.exists():
                # Clients know this port: another would be of no use.
                self._start_once()
            else:
                self._start_on_a_free_port()

    def stop(self) -> None:
        """End it cleanly; nothing happens when it is not running."""
        self._process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()

    def freeze(self) -> None:
        """Make it hang without ending it."""
        self._process.freeze()

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self._process.thaw()

    def wait_ready(self, timeout_seconds: float = _START_TIMEOUT_SECONDS) -> None:
        """Return once it answers; LocalStackError with the end of its log when it does not."""
        deadline = time.monotonic() + timeout_seconds
        while not self.answers():
            if self._process.running() is None:
                raise self._failure(f"{self.title} ended while starting")
            if time.monotonic() > deadline:
                raise self._failure(f"{self.title} did not answer within {timeout_seconds:.0f} s")
            time.sleep(_POLL_SECONDS)

    def _start_on_a_free_port(self) -> None:
        for attempt in range(1, _STARTS + 1):
            try:
                self._start_once()
            except PortTakenError:
                # Somebody took the free port between choosing and binding it.
                self._port_file.unlink(missing_ok=True)
                if attempt == _STARTS:
                    raise
            else:
                return

    def _start_once(self) -> None:
        port = self._kept_port()
        require_free(port, self.title)
        command, marker = self._command(port)
        self._process.spawn(command, port, marker=marker, owner_pid=self._owner_pid)
        try:
            self.wait_ready()
        except BaseException:
            self._process.kill()
            raise

    def _kept_port(self) -> int:
        """The port wanted, else the one used before, else a free one that is kept from now on."""
        if self._wanted_port is not None:
            return self._wanted_port
        if not self._port_file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._port_file.write_text(str(free_port()), encoding="utf-8")
        return int(self._port_file.read_text(encoding="utf-8"))

    def _require_wanted_port(self) -> None:
        if self._wanted_port not in (None, self.port):
            raise LocalStackError(
                f"{self.title} of {self.folder} already runs, on port {self.port}: "
                f"stop it first to have it on port {self._wanted_port}."
            )

    def _failure(self, what: str) -> LocalStackError:
        said = self._process.log_tail(_REASON_LINES)
        kind: type[LocalStackError] = LocalStackError
        hint = "The reason is in its log."
        if "address already in use" in said.lower():
            kind, hint = PortTakenError, f"Its port {self.port} was taken meanwhile: start again."
        elif os.strerror(28) in said:
            hint = f"The disk of {self.folder} is full: free some space and start again."
        return kind(f"{what}. {hint} {self.log_file} ends with:\n{self._process.log_tail()}")

"""A process of the system, watched from outside."""

import contextlib
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import Running, stat_of

_KIB_PER_MIB = 1024


@dataclass
class Member:
    """A process of the system, and how it ended by itself."""

    title: str
    running: Running
    down: bool = False
    """Nobody is to start it again."""
    ended: list[int] = field(default_factory=list)

    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        try:
            return self.running.wait(0)
        except subprocess.TimeoutExpired:
            return None

    @property
    def memory_mib(self) -> int:
        """What it and the processes that it started hold in memory now; 0 when it is gone."""
        return sum(map(_resident_kib, (self.running.pid, *self.running.children()))) // _KIB_PER_MIB

    @property
    def cpu_ticks(self) -> int:
        """How much it has computed; it stands still while it is stopped."""
        return sum(map(int, stat_of(self.running.pid)[11:13]))

    def log(self) -> str:
        """All that it said, over all its lives."""
        return self.running.log.read_text(encoding="utf-8", errors="replace")


def _resident_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0

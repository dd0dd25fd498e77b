"""creditstream's processes as the demo runs them: a log each, none left behind, and a word when one dies."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.errors import LocalStackError
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import BackgroundProcess

ROOT = Path(__file__).resolve().parents[2]
_STEP_TIMEOUT_SECONDS = 120
_STOP_GRACE_SECONDS = 15
_LINES_SHOWN = 20
_AT_ONCE = 2


class DemoProcesses:
    """Runs the project's modules with one set of settings; ended all together, the last started first."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._running: dict[str, BackgroundProcess] = {}
        self._ending: set[str] = set()

    def run(self, *arguments: str) -> str:
        """What `python -m …` prints, once it ended; LocalStackError with its words when it failed."""
        code, said = self.run_any(*arguments)
        if code != 0:
            raise LocalStackError(f"`python -m {' '.join(arguments)}` ended with {code}:\n{_end_of(said)}")
        return said

    def run_each(self, commands: Iterable[Sequence[str]]) -> list[str]:
        """What each of them prints, in their order; some run at the same time."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda arguments: self.run(*arguments), commands))

    def run_any(self, *arguments: str) -> tuple[int, str]:
        """The exit code of `python -m …`, and what it printed, errors included."""
        try:
            done = subprocess.run(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env={**os.environ, **self._environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_STEP_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            shown = " ".join(arguments)
            raise LocalStackError(f"`python -m {shown}` was not done within {_STEP_TIMEOUT_SECONDS} s.") from None
        return done.returncode, done.stdout

    def start(self, name: str, *arguments: str, ends: bool = False) -> str:
        """Start `python -m …` in the background; the address of its metrics. One that `ends` may end well."""
        port = free_port()
        if ends:
            self._ending.add(name)
        process = self._running[name] = BackgroundProcess(name, self._folder)
        process.spawn(
            [sys.executable, "-m", *arguments],
            port,
            marker=" ".join(arguments),
            owner_pid=os.getpid(),
            environment={**self._environment, "CREDITSTREAM_HTTP_PORT": str(port)},
        )
        return f"http://{LOOPBACK}:{port}"

    def require_alive(self) -> None:
        """LocalStackError naming the process that ended, with its last lines."""
        for name, process in self._running.items():
            code = process.exit_code()
            if code is not None and not (code == 0 and name in self._ending):
                raise LocalStackError(
                    f"the {name} ended with {code}. {process.log_file} ends with:\n{process.log_tail(_LINES_SHOWN)}"
                )

    def has_ended(self, name: str) -> bool:
        """Whether it has ended, well or not."""
        return self._running[name].exit_code() is not None

    def logs(self) -> str:
        """The last lines of every process that runs."""
        return "\n".join(
            f"--- {process.log_file}\n{process.log_tail(_LINES_SHOWN)}" for process in self._running.values()
        )

    def stop(self) -> None:
        """End every process, the last started first."""
        for process in reversed(self._running.values()):
            process.stop(_STOP_GRACE_SECONDS)


def _end_of(text: str) -> str:
    return "\n".join(text.splitlines()[-_LINES_SHOWN:])

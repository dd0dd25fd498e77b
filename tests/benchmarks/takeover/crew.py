"""Workers on a broker of their own, with accounts in their memory and usage that goes on coming."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from deploy.local.kafka import LocalKafka
from schemas.topics import TopicNames
from tests.benchmarks.process import BenchmarkError, running
from tests.benchmarks.takeover.watch import Watch
from tests.processes import ROOT, Running
from tests.topics import make_topics, new_topics

_RATE_CARD = ROOT / "deploy" / "rate-cards" / "2026-01.toml"
_EVENTS_PER_ACCOUNT = 4
_SPARE_ACCOUNTS = 1.1
_LONGEST_PREPARATION_SECONDS = 300.0
_LONGEST_SCENE_SECONDS = 90.0
_POLL_SECONDS = 0.05


class Sizes(Struct, frozen=True):
    """How large the measured system is."""

    accounts: int
    rate: int
    partitions: int


@dataclass
class Crew:
    """The workers by name, and the watch over what they commit."""

    servers: str
    folder: Path
    topics: TopicNames
    sizes: Sizes
    watch: Watch
    stack: ExitStack
    named: bool
    workers: dict[str, Running] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    """The worker's name by process id, of processes that are gone too."""
    killed: set[str] = field(default_factory=set)

    def start(self, name: str) -> None:
        """Start a worker, or start it again."""
        if name in self.workers:
            self.workers[name].restart()
        else:
            self.workers[name] = self.stack.enter_context(
                Running(
                    "stream",
                    "worker",
                    "--single-node",
                    log=self.folder / f"{name}.log",
                    bootstrap_servers=self.servers,
                    data_folder=self.folder / name,
                    instance_id=name if self.named else "",
                )
            )
        self.names[self.workers[name].pid] = name
        self.killed.discard(name)

    @property
    def running(self) -> list[Running]:
        """The workers that nobody killed."""
        return [worker for name, worker in self.workers.items() if name not in self.killed]

    def owners(self) -> dict[int, str]:
        """The worker that took each partition over last."""
        return {partition: self.names[process] for partition, process in self.watch.owners().items()}

    def partitions_of(self, name: str) -> list[int]:
        """What the worker has."""
        return sorted(partition for partition, owner in self.owners().items() if owner == name)

    def wait_booking(self, since: float, partitions: list[int] | None = None, gone: int | None = None) -> float:
        """When the last of these partitions, or of all, had booked after that moment, by a process not gone."""
        wanted = list(self.watch.booked) if partitions is None else partitions

        def first() -> list[float | None]:
            return [self.watch.booked_after(number, since, gone) for number in wanted]

        self._wait(lambda: None not in first(), "every partition books")
        return max((at for at in first() if at is not None), default=since)

    def settle(self, seconds: float) -> None:
        """Let it run, until the workers that live share the partitions and each of them books."""
        time.sleep(seconds)
        now = time.monotonic()
        self.wait_booking(now)

    def wait_shared(self, workers: int) -> None:
        """Until so many workers have partitions, and all of these book."""
        self._wait(lambda: len(set(self.owners().values())) == workers, f"{workers} workers share the partitions")
        self.settle(1.0)

    def accounts(self) -> int:
        """Accounts in the memory of all workers."""
        return round(sum(worker.metric("creditstream_accounts") for worker in self.workers.values()))

    def _wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _LONGEST_SCENE_SECONDS
        while not holds():
            for worker in self.running:
                worker.alive()
            if time.monotonic() > deadline:
                logs = sorted(str(path) for path in self.folder.glob("*.log"))
                raise BenchmarkError(
                    f"{what}: not within {_LONGEST_SCENE_SECONDS:.0f} s; owners {self.owners()}, {logs}"
                )
            time.sleep(_POLL_SECONDS)


@contextmanager
def crew(folder: Path, sizes: Sizes, *, named: bool) -> Iterator[Crew]:
    """A crew of one worker that has booked usage of every account, while more of it comes; gone afterwards."""
    with ExitStack() as stack:
        kafka = LocalKafka(folder / "kafka", owner_pid=os.getpid())
        kafka.start()
        stack.callback(kafka.kill)
        servers, topics = kafka.bootstrap_servers, TopicNames()
        make_topics(servers, new_topics(topics, sizes.partitions))
        watch = Watch(servers, topics, sizes.partitions)
        watch.start()
        stack.callback(watch.close)
        made = Crew(servers, folder, topics, sizes, watch, stack, named)
        environment = {"CREDITSTREAM_BOOTSTRAP_SERVERS": servers}
        _run("producers", "rate-card", "publish", str(_RATE_CARD), environment=environment)
        made.start("a")
        accounts = round(sizes.accounts * _SPARE_ACCOUNTS)
        usage = ["workload", "--accounts", str(accounts), "--distribution", "uniform", "--malformed", "0", "--quiet"]
        _run("producers", *usage, "--flat-out", f"--events={_EVENTS_PER_ACCOUNT * accounts}", environment=environment)
        _wait_accounts(made)
        arguments = ["producers", *usage, f"--rate={sizes.rate}", "--seed=2", "--late=0"]
        stack.enter_context(running("usage", arguments, folder, environment))
        made.settle(1.0)
        yield made


def _wait_accounts(made: Crew) -> None:
    deadline = time.monotonic() + _LONGEST_PREPARATION_SECONDS
    while made.accounts() < made.sizes.accounts:
        made.workers["a"].alive()
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{made.accounts()} accounts are in memory, not {made.sizes.accounts}")
        time.sleep(_POLL_SECONDS)


def _run(module: str, *arguments: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_LONGEST_PREPARATION_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(
            f"{module} {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )

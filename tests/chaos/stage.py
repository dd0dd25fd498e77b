"""Where a fault happens: a broker, workers and perhaps a sink of its own, under load, watched from outside."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver import Client

from deploy.local.clickhouse import ANALYST, LocalClickHouse
from deploy.local.clickhouse_http.users import DEFAULT_USER
from deploy.local.kafka import LocalKafka
from schemas.topics import TopicNames
from tests.chaos.fault import Fault
from tests.chaos.load import Load
from tests.chaos.verdict import Verdict, both, judge_clickhouse, judge_kafka
from tests.chaos.watch import Ends, Watch
from tests.integration.system import PARTITIONS, System, clickhouse_settings, running_system
from tests.processes import Running
from tests.servers import ClickHouseServer, KafkaServer
from tests.simulation.oracle import Expected
from tests.topics import make_topics, new_topics

DATABASE = "chaos"
RECOVERY_SECONDS = 120.0
_SETTLE_SECONDS = 300.0
_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_MOST_RESTARTS = 30
_SESSION_SECONDS = 6
_KIB_PER_MIB = 1024


class ChaosError(Exception):
    """The system did not do what it promises."""


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
        """What it holds in memory now; 0 when it is gone."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.running.pid}/status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) // _KIB_PER_MIB
        return 0


class Stage:
    """One installation with its load; a process that ends by itself is started again, as an orchestrator would."""

    def __init__(self, fault: Fault, kafka: LocalKafka, system: System, load: Load, *, long: bool) -> None:
        self.fault = fault
        self.kafka = kafka
        self.system = system
        self.load = load
        self.long = long
        self.watch = Watch(kafka.bootstrap_servers, system.topics)
        self.workers: list[Member] = []
        self.sinks: list[Member] = []
        self.clickhouse: LocalClickHouse | None = None
        self.clickhouse_port: int | None = None
        """Where the sink looks for ClickHouse, when that is not where it is."""
        self.expected: Expected | None = None
        self.supervised = True
        self.settled = False
        self.most_memory_mib = 0
        self.recover_seconds: float | None = None
        self.refused_seconds: float | None = None
        self.sent = 0
        self._over_at = 0.0
        self._targets: Ends = {}

    # --- processes -----------------------------------------------------------------------------------------------

    def start_worker(self, **settings: object) -> Member:
        """One more worker, not awaited."""
        title = f"worker-{len(self.workers)}"
        running = Running(
            self.fault.worker_module,
            "worker",
            "--single-node",
            log=self.system.folder / f"{title}.log",
            **{
                **self.system.settings,
                "data_folder": self.system.folder / title,
                "session_timeout_seconds": _SESSION_SECONDS,
                **settings,
            },
        )
        self.system.stack.enter_context(running)
        self.workers.append(Member(title, running))
        return self.workers[-1]

    def start_sink(self, **settings: object) -> Member:
        """A sink; the schema is there."""
        title = f"sink-{len(self.sinks)}"
        running = Running(
            "sinks",
            "worker",
            log=self.system.folder / f"{title}.log",
            **{**self.system.settings, **self.sink_settings(), **settings},
        )
        self.system.stack.enter_context(running)
        self.sinks.append(Member(title, running))
        return self.sinks[-1]

    def sink_settings(self) -> dict[str, object]:
        """Where the sink finds ClickHouse; it gives up on an answer sooner than it does by default."""
        settings = {**clickhouse_settings(self.clickhouse_server(), DATABASE), "clickhouse_timeout_seconds": 10}
        if self.clickhouse_port is not None:
            settings["clickhouse_port"] = self.clickhouse_port
        return settings

    def clickhouse_server(self) -> ClickHouseServer:
        """ClickHouse as tests name it."""
        clickhouse = self.local_clickhouse()
        return ClickHouseServer(clickhouse.host, clickhouse.port, DEFAULT_USER, "", ANALYST, "")

    def local_clickhouse(self) -> LocalClickHouse:
        """The ClickHouse of a fault that has a sink."""
        if self.clickhouse is None:
            raise ChaosError(f"{self.fault.name} has no sink, and so no ClickHouse")
        return self.clickhouse

    def clickhouse_client(self) -> Client:
        """A client of ClickHouse itself, past any proxy."""
        server = self.clickhouse_server()
        return clickhouse_connect.get_client(
            host=server.host, port=server.port, username=server.user, password=server.password
        )

    def kill(self, member: Member) -> None:
        """Kill -9, and start it again at once."""
        member.running.kill()
        member.running.restart(crash_point="")

    def stop(self, member: Member) -> None:
        """End it in order, and leave it down."""
        member.down = True
        member.running.stop()

    def begin(self, member: Member, **settings: object) -> None:
        """Start one again that is down."""
        member.running.restart(**settings)
        member.down = False

    def tend(self) -> None:
        """Note memory; start again what ended by itself."""
        for member in [*self.workers, *self.sinks]:
            if member in self.workers:
                self.most_memory_mib = max(self.most_memory_mib, member.memory_mib)
            if member.down or not self.supervised:
                continue
            code = member.exit_code()
            if code is not None:
                member.ended.append(code)
                if len(member.ended) > _MOST_RESTARTS:
                    raise ChaosError(f"{member.title} ended {_MOST_RESTARTS} times: {member.ended}")
                member.running.restart(crash_point="")

    @property
    def restarts(self) -> int:
        """How often a process ended by itself."""
        return sum(len(member.ended) for member in [*self.workers, *self.sinks])

    # --- time ----------------------------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """Let it run, starting again what ends."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.tend()
            time.sleep(min(_POLL_SECONDS, left))

    def wait_until(self, holds: Callable[[], bool], what: str, seconds: float = RECOVERY_SECONDS) -> None:
        """Return once it holds; ChaosError otherwise."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise ChaosError(f"{what}: not within {seconds:.0f} s. {self._states()}")
            self.tend()
            time.sleep(_POLL_SECONDS)

    def wait_ended(self, member: Member, code: int) -> None:
        """Return once the process ended by itself, with that code."""
        self.wait_until(lambda: code in member.ended, f"{member.title} ends with {code}", _START_SECONDS)

    def over(self) -> None:
        """The fault is over: recovery is measured from now, to all that was sent until now."""
        self._over_at = time.monotonic()
        self._targets = self.watch.input_ends()

    def has_recovered(self) -> bool:
        """Whether all that was sent before the fault was over is in checkpoints."""
        return self.watch.booked(self._targets)

    def await_recovery(self) -> None:
        """Return once all that was sent before the fault was over is in checkpoints, and in ClickHouse."""
        if self.recover_seconds is not None:
            return
        if not self._over_at:
            raise ChaosError(f"{self.fault.name} never said that it is over")
        self.wait_until(self.has_recovered, "recovery")
        if self.sinks:
            ends = self.watch.output_ends()
            self.wait_until(lambda: self.watch.written(ends), "recovery of the sink")
        self.recover_seconds = time.monotonic() - self._over_at

    def settle(self) -> None:
        """Send what is left and return once everything is booked."""
        if self.settled:
            return
        self.settled = True
        self.sent += self.load.finish()
        ends = self.watch.input_ends()
        self.wait_until(lambda: self.watch.booked(ends), f"all booked ({self.watch.behind(ends)})", _SETTLE_SECONDS)

    def wait_written(self) -> None:
        """Return once the sink has written all that the workers have."""
        ends = self.watch.output_ends()
        self.wait_until(lambda: self.watch.written(ends), "all written to ClickHouse", _SETTLE_SECONDS)

    def note_refusal(self, seconds: float) -> None:
        """The fault ends in a refusal, as it should: there is no recovery to wait for."""
        self.refused_seconds = seconds

    # --- the verdict ---------------------------------------------------------------------------------------------

    def verdict(self) -> Verdict:
        """Kafka's figures, and ClickHouse's once the sink is through."""
        expected = self.expected if self.expected is not None else self.system.expected()
        in_kafka = judge_kafka(self.system, expected)
        if not self.sinks:
            return in_kafka
        self.wait_written()
        return both(in_kafka, self._verdict_of_clickhouse(expected))

    def _verdict_of_clickhouse(self, expected: Expected) -> Verdict:
        """The last of a few looks: after a restart of ClickHouse the sink writes again what it had written."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            verdict = judge_clickhouse(self.clickhouse_server(), DATABASE, expected)
            if verdict.exact or time.monotonic() > deadline:
                return verdict
            self.sleep(2)

    def _states(self) -> str:
        return "; ".join(
            f"{member.title}: {member.running.get('/healthz')} {member.running.get('/readyz')}"
            for member in [*self.workers, *self.sinks]
        )


@contextmanager
def staged(fault: Fault, folder: Path, *, events: int, long: bool) -> Iterator[Stage]:
    """Everything that the fault needs, running and ready; gone afterwards."""
    with ExitStack() as stack:
        kafka = LocalKafka(folder / "kafka", owner_pid=os.getpid())
        kafka.start()
        stack.callback(kafka.kill)
        topics = TopicNames(prefix="chaos.")
        make_topics(kafka.bootstrap_servers, new_topics(topics, PARTITIONS))
        system = stack.enter_context(running_system(KafkaServer(kafka.bootstrap_servers), topics, folder))
        load = Load(kafka.bootstrap_servers, topics, events=events, rate=fault.rate, **fault.load)
        stage = Stage(fault, kafka, system, load, long=long)
        stack.callback(stage.watch.close)
        _start(stage, stack)
        yield stage


def _start(stage: Stage, stack: ExitStack) -> None:
    for _ in range(stage.fault.workers):
        stage.start_worker()
    if stage.fault.sink:
        clickhouse = stage.clickhouse = LocalClickHouse(stage.system.folder / "clickhouse", owner_pid=os.getpid())
        clickhouse.start()
        stack.callback(clickhouse.kill)
        stage.system.run("sinks", "migrate", **stage.sink_settings())
        stage.start_sink()
    for member in stage.workers:
        stage.wait_until(lambda ready=member.running: ready.get("/readyz")[0] == 200, "start", _START_SECONDS)  # type: ignore[misc]
    stage.load.start()

"""The processes of one installation: started, killed, stopped, and started again when they end by themselves."""

import signal
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver import Client

from deploy.local.clickhouse import ANALYST, LocalClickHouse
from deploy.local.clickhouse_http.users import DEFAULT_USER
from deploy.local.kafka import LocalKafka
from tests.chaos.errors import ChaosError
from tests.chaos.fault import Fault
from tests.chaos.member import Member
from tests.integration.system import System, clickhouse_settings
from tests.processes import Running
from tests.servers import ClickHouseServer

DATABASE = "chaos"
_MOST_RESTARTS = 30
KILLED = -signal.SIGKILL
_BEGUN = "Starting..."


class Crew:
    """What an orchestrator would see of an installation, and do for it."""

    def __init__(self, fault: Fault, kafka: LocalKafka, system: System) -> None:
        self.fault = fault
        self.kafka = kafka
        self.system = system
        self.workers: list[Member] = []
        self.sinks: list[Member] = []
        self.clickhouse: LocalClickHouse | None = None
        self.clickhouse_port: int | None = None
        """Where the sink looks for ClickHouse, when that is not where it is."""
        self.supervised = True
        self.most_memory_mib = 0
        self.proofs: list[str] = []

    @property
    def members(self) -> list[Member]:
        return [*self.workers, *self.sinks]

    def start_worker(self, **settings: object) -> Member:
        """One more worker, not awaited."""
        title = f"worker-{len(self.workers)}"
        session = {"session_timeout_seconds": self.fault.session_seconds}
        folder = {"data_folder": self.system.folder / title}
        member = self._start(
            title, self.fault.worker_module, "worker", "--single-node", **session, **folder, **settings
        )
        self.workers.append(member)
        return member

    def start_sink(self, **settings: object) -> Member:
        """A sink; the schema is there."""
        member = self._start(f"sink-{len(self.sinks)}", "sinks", "worker", **self.sink_settings(), **settings)
        self.sinks.append(member)
        return member

    def _start(self, title: str, module: str, *arguments: str, **settings: object) -> Member:
        log: Path = self.system.folder / f"{title}.log"
        running = Running(module, *arguments, log=log, **{**self.system.settings, **settings})
        self.system.stack.enter_context(running)
        return Member(title, running)

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

    def prove(self, text: str, *, holds: bool = True) -> None:
        """Note that the fault really happened; ChaosError when it did not, since then nothing was shown."""
        if not holds:
            raise ChaosError(f"the fault was not injected: not so: {text}")
        self.proofs.append(text)

    def kill(self, member: Member) -> None:
        """Kill -9, and start it again at once."""
        self.take_down(member)
        self.begin(member, crash_point="")

    def take_down(self, member: Member) -> None:
        """Kill -9, and leave it down."""
        member.down = True
        member.running.kill()
        code = member.exit_code()
        self.prove(f"{member.title} killed -9", holds=code == KILLED)

    def stop(self, member: Member) -> None:
        """End it in order, and leave it down."""
        member.down = True
        code = member.running.stop()
        # Until it has begun nobody listens to the signal: it ends by it, and has done nothing.
        was_beginning = code == -signal.SIGTERM and _BEGUN not in member.running.said()
        self.prove(f"{member.title} ended in order, with {code}", holds=code == 0 or was_beginning)

    def begin(self, member: Member, **settings: object) -> None:
        """Start one again that is down."""
        member.running.restart(**settings)
        member.down = False

    def freeze(self, member: Member) -> None:
        """Stop it from running, as a long pause would."""
        member.running.signal(signal.SIGSTOP)

    def thaw(self, member: Member) -> None:
        """Let it run on; what it computed meanwhile must be nothing."""
        member.running.signal(signal.SIGCONT)

    def tend(self) -> None:
        """Note memory; start again what ended by itself."""
        for member in self.members:
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
        return sum(len(member.ended) for member in self.members)

    def said(self, words: str) -> int:
        """How often the workers' logs say so."""
        return sum(each.log().count(words) for each in self.workers)

"""Where a fault happens: a broker, workers and perhaps a sink of its own, under load, watched from outside."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.local.clickhouse import LocalClickHouse
from deploy.local.kafka import LocalKafka
from schemas.topics import TopicNames
from tests.chaos.crew import DATABASE, Crew
from tests.chaos.errors import ChaosError
from tests.chaos.fault import Fault
from tests.chaos.figures import (
    CompactExpected,
    CompactShown,
    expected_of,
    forget_delays,
    shown_by_clickhouse,
    shown_by_kafka,
)
from tests.chaos.interposer import Interposer, interposed
from tests.chaos.load import Load
from tests.chaos.member import Member
from tests.chaos.verdict import Verdict, both, judge
from tests.chaos.watch import Ends, Watch
from tests.integration.system import PARTITIONS, System, running_system
from tests.servers import KafkaServer
from tests.topics import make_topics, new_topics

RECOVERY_SECONDS = 120.0
_SETTLE_SECONDS = 1_200.0
_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_SAY_SECONDS = 15.0
_LONGEST_LOOK_SECONDS = 15.0


class Stage(Crew):
    """One installation with its load; a process that ends by itself is started again, as an orchestrator would."""

    def __init__(self, fault: Fault, kafka: LocalKafka, system: System, load: Load, *, events: int, long: bool) -> None:
        super().__init__(fault, kafka, system)
        self.load = load
        self.events = events
        """At least so many are to be sent."""
        self.long = long
        self.watch = Watch(kafka.bootstrap_servers, system.topics)
        self.interposer: Interposer | None = None
        self.expected: CompactExpected | None = None
        self.settled = False
        self.recover_seconds: float | None = None
        self.refused_seconds: float | None = None
        self.sent = 0
        self._began_at = time.monotonic()
        self._over_at = 0.0
        self._targets: Ends = {}

    # --- time ----------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Tell on stderr how far it is."""
        seconds = time.monotonic() - self._began_at
        print(f"  {self.fault.name} {seconds:5.0f} s: {text}", file=sys.stderr, flush=True)

    def prove(self, text: str, *, holds: bool = True) -> None:
        """Note and tell that the fault really happened; ChaosError when it did not."""
        super().prove(text, holds=holds)
        self.say(text)

    def sleep(self, seconds: float) -> None:
        """Let it run, starting again what ends."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.tend()
            time.sleep(min(_POLL_SECONDS, left))

    def wait_until(self, holds: Callable[[], bool], what: str, seconds: float = RECOVERY_SECONDS) -> None:
        """Return once it holds; ChaosError otherwise."""
        waited, said_at = 0.0, _SAY_SECONDS
        looked_at = time.monotonic()
        while not holds():
            now = time.monotonic()
            # A machine that was suspended, and the run with it, proves nothing.
            waited, looked_at = waited + min(now - looked_at, _LONGEST_LOOK_SECONDS), now
            if waited > seconds:
                raise ChaosError(f"{what}: not within {seconds:.0f} s. {self._states()}")
            if waited > said_at:
                said_at += _SAY_SECONDS
                self.say(f"waiting for {what}")
            self.tend()
            time.sleep(_POLL_SECONDS)

    def wait_ended(self, member: Member, code: int) -> None:
        """Return once the process ended by itself, with that code."""
        self.wait_until(lambda: code in member.ended, f"{member.title} ends with {code}", _START_SECONDS)
        self.prove(f"{member.title} ended by itself with {code}")

    def wait_ready(self, member: Member) -> None:
        """Return once the process says that it serves."""
        self.wait_until(lambda: member.running.get("/readyz")[0] == 200, f"{member.title} is ready", _START_SECONDS)

    def over(self) -> None:
        """The fault is over: recovery is measured from now, to all that was sent until now."""
        self._over_at = time.monotonic()
        self._targets = self.watch.input_ends()

    def has_recovered(self) -> bool:
        """Whether all that was sent before the fault was over is in checkpoints."""
        return self.watch.booked(self._targets)

    def await_recovery(self, seconds: float = RECOVERY_SECONDS) -> None:
        """Return once all that was sent before the fault was over is in checkpoints, and in ClickHouse."""
        if self.recover_seconds is not None:
            return
        if not self._over_at:
            raise ChaosError(f"{self.fault.name} never said that it is over")
        self.wait_until(self.has_recovered, "recovery", seconds)
        if self.sinks:
            ends = self.watch.output_ends()
            self.wait_until(lambda: self.watch.written(ends), "recovery of the sink", seconds)
        self.recover_seconds = time.monotonic() - self._over_at
        self.say(f"recovered in {self.recover_seconds:.1f} s")

    def settle(self) -> None:
        """Send what is left and return once everything is booked."""
        if self.settled:
            return
        self.settled = True
        self.sent += self.load.finish()
        self.wait_booked()

    def wait_booked(self) -> None:
        """Return once everything that is in the inputs now is booked."""
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

    def note_expected(self) -> None:
        """What the inputs demand as they are now: they are about to be gone."""
        self.expected = expected_of(self.system.kafka.bootstrap_servers, self.system.topics, self.sent)

    def verdict(self) -> Verdict:
        """Kafka's figures, and ClickHouse's once the sink is through."""
        servers, topics = self.system.kafka.bootstrap_servers, self.system.topics
        self.say(f"comparing {self.sent} events with the oracle")
        expected = self.expected if self.expected is not None else expected_of(servers, topics, self.sent)
        if expected.usage_records < self.sent:
            raise ChaosError(f"Kafka keeps {expected.usage_records} of {self.sent} events that it acknowledged")
        in_kafka = self._judge(expected, shown_by_kafka(servers, topics, self.sent), "Kafka")
        if not self.sinks:
            return in_kafka
        self.wait_written()
        return both(in_kafka, self._verdict_of_clickhouse(expected))

    def _verdict_of_clickhouse(self, expected: CompactExpected) -> Verdict:
        """The last of a few looks: after a restart of ClickHouse the sink writes again what it had written."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with self.clickhouse_client() as client:
                shown = shown_by_clickhouse(client, DATABASE)
            verdict = self._judge(expected, shown, "ClickHouse")
            if verdict.exact or time.monotonic() > deadline:
                return verdict
            self.sleep(2)

    def _judge(self, expected: CompactExpected, shown: CompactShown, where: str) -> Verdict:
        if self.fault.interposed:
            forget_delays(expected)
            forget_delays(shown)
        return judge(expected, shown, where)

    def _states(self) -> str:
        return "; ".join(
            f"{member.title}: {member.running.get('/healthz')} {member.running.get('/readyz')}"
            for member in self.members
        )


@contextmanager
def staged(fault: Fault, folder: Path, *, events: int, long: bool) -> Iterator[Stage]:
    """Everything that the fault needs, running and ready; gone afterwards."""
    with ExitStack() as stack:
        interposer = None
        if fault.interposed:
            interposer = stack.enter_context(interposed(folder))
        kafka = LocalKafka(folder / "kafka", owner_pid=os.getpid())
        kafka.start()
        stack.callback(kafka.kill)
        topics = TopicNames(prefix="chaos.")
        make_topics(kafka.bootstrap_servers, new_topics(topics, PARTITIONS))
        system = stack.enter_context(running_system(KafkaServer(kafka.bootstrap_servers), topics, folder))
        load = Load(kafka.bootstrap_servers, topics, events=events, rate=fault.rate, **fault.load)
        stage = Stage(fault, kafka, system, load, events=events, long=long)
        stage.interposer = interposer
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
        stage.wait_ready(member)
    stage.load.start()

"""One schedule: a cluster, workers, load and faults, all drawn from a seed; then rest, and the comparison."""

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.topics import TopicNames
from stream.settings import WorkerSettings
from tests.simulation import sim_check, sim_faults
from tests.simulation.fake_kafka import FakeKafka, serve, withdraw
from tests.simulation.fake_producer import CALLED_AT_ONCE
from tests.simulation.oracle_records import OracleSettings
from tests.simulation.sim_breakage import BOOKED_OTHER_TOPICS, Breakage
from tests.simulation.sim_crew import Crew
from tests.simulation.sim_load import Load
from tests.simulation.sim_process import enter, leave
from tests.simulation.sim_scheduler import Scheduler
from tests.simulation.sim_seams import simulated
from tests.simulation.sim_upstream import Upstream
from tests.simulation.sim_worker import SimWorker

_SETTLE_SECONDS = 900.0
_LOOK_SECONDS = 0.25
_FIRST_CARD_SECONDS = -36_000.0
_QUIET_DAYS = (0.0, 0.0, 0.015, 0.015, 0.2, 1.0, 1.0, 35.0)
_NOON_TO_MIDNIGHT_SECONDS = 43_200
_TOUCHED_SECONDS = 0.1
_NAMES = TopicNames(prefix="s.")


@dataclass
class Outcome:
    """What came of a schedule; no problems is what is promised."""

    seed: int
    problems: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    steps: int = 0
    virtual_seconds: float = 0.0


def run(seed: int) -> Outcome:
    """Play the schedule of a seed; the same seed plays the same."""
    scheduler = Scheduler(seed)
    cluster = FakeKafka(scheduler)
    outcome = Outcome(seed)
    address = f"simulated-{uuid.uuid4()}"
    serve(address, cluster)
    enter(scheduler)
    try:
        schedule = Schedule(scheduler, cluster, address, outcome)
        schedule.play()
    finally:
        leave()
        withdraw(address)
    outcome.steps, outcome.virtual_seconds = scheduler.steps, scheduler.now
    return outcome


class Schedule:
    """The environment: it sends, breaks things, restarts what died, and looks at the end."""

    def __init__(self, scheduler: Scheduler, cluster: FakeKafka, address: str, outcome: Outcome) -> None:
        random = scheduler.random
        self.scheduler, self.cluster, self.outcome = scheduler, cluster, outcome
        self.partitions = random.choice((1, 2, 2, 3))
        self.seconds = random.choice((6.0, 10.0, 20.0))
        self.workers = random.randint(1, 3)
        if random.random() < 0.5:
            # Midnight comes meanwhile, and with it the end of some periods.
            scheduler.skipped_seconds = round(_NOON_TO_MIDNIGHT_SECONDS - random.random() * self.seconds)
        self.faults = sim_faults.draw(random, self.seconds)
        self.crew = Crew(
            scheduler,
            cluster,
            lambda name: WorkerSettings(bootstrap_servers=address, topic_prefix=_NAMES.prefix, data_folder=name),
            self.partitions,
            self.faults.habits,
            self.met,
            self.note,
        )
        load = Load(random, self.partitions, accounts=random.randint(2, 8))
        self.upstream = Upstream(scheduler, cluster, _NAMES, load)
        self._auditor = sim_check.Auditor(cluster, OracleSettings(partitions=self.partitions, topics=_NAMES))
        self.breakage = Breakage(scheduler, cluster, _NAMES, self.faults, self.crew, self.upstream, self.met)

    def play(self) -> None:
        """From the first event to the last comparison."""
        cluster, breakage = self.cluster, self.breakage
        cluster.commit_fault = breakage.commit_fault
        cluster.met = lambda kind: self.met(kind, "")
        with simulated(self.scheduler, breakage.reach, self.faults.transaction_timeout_ms):
            self.crew.make_topics()
            self.upstream.publish_card(_FIRST_CARD_SECONDS)
            self.upstream.plan(self.seconds)
            breakage.plan()
            for number in range(self.workers):
                self._start_later(f"worker-{number}")
            self.scheduler.sleep(self.seconds)
            breakage.calm = True
            self.faults.habits.calm()
            self.crew.set_clocks_right()
            self._let_time_pass(0)
            self._mend()
            self._rest("after the faults")
            self._let_time_pass(self.scheduler.random.choice(_QUIET_DAYS))
            # With a new card in force, prices differ.
            self.scheduler.sleep(max(0.0, self.upstream.effective_at - self.upstream.now))
            self.upstream.touch_all()
            self.scheduler.sleep(1.0)
            self._rest("after more of the same")
        self.crew.drop()
        # The engine would not show it: who closes a producer takes no notice of its errors.
        self.outcome.problems += [wrong for wrong in (CALLED_AT_ONCE, BOOKED_OTHER_TOPICS) if self.outcome.met[wrong]]

    def met(self, kind: str, detail: str) -> None:
        """Count and trace a fault."""
        self.outcome.met[kind] += 1
        self.note(f"{kind} {detail}")

    def note(self, what: str) -> None:
        self.outcome.trace.append(f"{self.scheduler.now:9.4f} {what}")

    def _start_later(self, name: str) -> None:
        self.scheduler.after(self.scheduler.random.random() * 2, lambda: self.crew.start(name))

    def _let_time_pass(self, days: float) -> None:
        """So long that credits expire, periods end and refills are asked for again, while everybody is idle.

        How late it is workers know from what comes then.
        """
        self.scheduler.skipped_seconds += round(days * 86_400.0)
        self.upstream.touch_partitions()
        self.scheduler.sleep(_TOUCHED_SECONDS)

    def _mend(self) -> None:
        """The other partitions go on beside one that no attempt can write; then a person lets it be written."""
        refused = sorted(number for _, number in self.cluster.refused)
        self._await(lambda: self._settled(besides=refused), "beside a partition that cannot be written")
        self.cluster.refused.clear()
        for worker in dict.fromkeys(worker for number in refused for worker in self.crew.stopped(number)):
            self.met("partition stopped alone", worker.name)
            self.scheduler.random.choice((SimWorker.crash, SimWorker.stop))(worker)

    def _await(self, reached: Callable[[], bool], when: str) -> bool:
        deadline = self.scheduler.now + _SETTLE_SECONDS
        while not reached():
            if self.scheduler.now > deadline:
                self.outcome.problems += [f"{when}: stuck", *self.crew.states()]
                return False
            self.scheduler.sleep(_LOOK_SECONDS)
        return True

    def _rest(self, when: str) -> None:
        """Wait until nothing is left to book, then compare."""
        if not self._await(self._settled, when):
            return
        self.note(f"settled {when}")
        found = self._auditor.differences(self.crew.pipelines(), self.crew.behind)
        self.outcome.problems += [f"{when}: {line}" for line in found]

    def _settled(self, besides: Sequence[int] = ()) -> bool:
        """Nothing is open, and every partition stands at the ends of its inputs, or stopped if it is told apart."""
        return not self.cluster.is_unsettled and all(
            self._at_end(number) or (number in besides and bool(self.crew.stopped(number)))
            for number in range(self.partitions)
        )

    def _at_end(self, number: int) -> bool:
        """Everything is booked that was sent, or became due."""
        position = self.crew.stands_at(number)
        ends = sim_check.visible(self.cluster, _NAMES, number)
        if position is None or any(stands < end for stands, end in zip(position, ends, strict=True)):
            return False
        return all(pipeline.ledger.due_ms > self.cluster.now_ms for pipeline in self.crew.pipelines_of(number))

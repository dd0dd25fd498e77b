"""One schedule: a cluster, workers, load and faults, all drawn from a seed; then rest, and the comparison."""

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from schemas.topics import TopicNames, topic_specs
from stream.engine.config import EngineConfig
from stream.engine.progress import PROGRESS_KEY, TopicIdentity, Topology, decode_progress
from stream.pipeline import Pipeline
from stream.settings import WorkerSettings
from tests.simulation import sim_check, sim_faults
from tests.simulation.fake_kafka import FakeKafka, serve, withdraw
from tests.simulation.fake_log import Fate
from tests.simulation.oracle_records import OracleSettings
from tests.simulation.sim_faults import Faults
from tests.simulation.sim_group import SESSION_SECONDS, SimGroup
from tests.simulation.sim_load import Load, Sent, rate_card
from tests.simulation.sim_process import SimProcess
from tests.simulation.sim_scheduler import Killed, Scheduler
from tests.simulation.sim_seams import simulated
from tests.simulation.sim_worker import Deployment, SimWorker

_OPENING_SECONDS = 2.0
_SETTLE_SECONDS = 900.0
_LOOK_SECONDS = 0.25
_HOUR_MS = 3_600_000


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
    outcome = Outcome(seed)
    address = f"simulated-{uuid.uuid4()}"
    cluster = FakeKafka(scheduler)
    serve(address, cluster)
    schedule = Schedule(scheduler, cluster, address, outcome)
    try:
        with simulated(scheduler, schedule.reach, schedule.faults.transaction_timeout_ms):
            schedule.play()
    finally:
        withdraw(address)
        schedule.drop()
    outcome.steps, outcome.virtual_seconds = scheduler.steps, scheduler.now
    return outcome


class Schedule:
    """The environment: it sends, breaks things, restarts what died, and looks at the end."""

    def __init__(self, scheduler: Scheduler, cluster: FakeKafka, address: str, outcome: Outcome) -> None:
        random = scheduler.random
        self.scheduler, self.cluster, self.outcome = scheduler, cluster, outcome
        self.partitions = random.choice((1, 2, 2, 3))
        self.seconds = random.choice((6.0, 10.0, 20.0))
        self.faults: Faults = sim_faults.draw(random, self.seconds)
        self.load = Load(random, self.partitions, accounts=random.randint(2, 8))
        self.names = TopicNames(prefix="s.")
        self.names_of_workers = [f"worker-{number}" for number in range(random.randint(1, 3))]
        self.workers: dict[str, SimWorker] = {}
        self.calm = False
        self._address = address
        self._lives = 0
        self._cards = 0
        self._transactions = 0
        self._random: Random = random

    # --- the story -----------------------------------------------------------------------------------------------

    def play(self) -> None:
        self._make_topics()
        self._publish_card(-_HOUR_MS * 10 / 1_000)
        self.group = SimGroup(self.scheduler, self.cluster, self.partitions)
        for name in self.names_of_workers:
            self.scheduler.after(self._random.random() * 2, self._starting(name))
        self._plan()
        self.scheduler.sleep(self.seconds)
        self.calm = True
        self._rest("after the faults")
        self._again()
        self._rest("after more of the same")

    def drop(self) -> None:
        """End what is left of every worker."""
        for worker in self.workers.values():
            worker.process.dead = True
            worker.loop.drop()

    def reach(self, point: str) -> None:
        """A named place in the engine: another chance to die."""
        process = self.scheduler.process
        self.scheduler.sleep(0.0)
        chance = self._random.random()
        worker = self._worker_of(process)
        if self.calm or worker is None:
            return
        if chance < self.faults.crash_point_chance:
            self.met("crashed at a named point", f"{worker.name} {point}")
            worker.crash()
            raise Killed
        if chance > 1 - self.faults.pause_point_chance:
            self.met("zombie at a named point", f"{worker.name} {point}")
            worker.process.pause(self._random.uniform(SESSION_SECONDS, 2 * SESSION_SECONDS))
            self.scheduler.sleep(0.0)

    def met(self, name: str, detail: object = "") -> None:
        """Count and trace what happened."""
        self.outcome.met[name] += 1
        self.note(f"{name} {detail}")

    def note(self, what: str) -> None:
        self.outcome.trace.append(f"{self.scheduler.now:9.4f} {what}")

    # --- load ----------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        random, load = self._random, self.load
        now = self.scheduler.now
        # Which of usage and commands opens an account is decided before transactions hold either back.
        for account in load.accounts:
            when = now + random.random() * (_OPENING_SECONDS - 0.5)
            for usage in random.choice(((True,), (False,), (True, False), (False, True))):
                self._send_at(when, usage=usage, account=account)
                when += random.random() * 0.3
        busy = random.choice((20, 60, 150))
        for _ in range(busy):
            self._send_at(now + _OPENING_SECONDS + random.random() * self.seconds, usage=True)
        for _ in range(busy // 8):
            self._send_at(now + _OPENING_SECONDS + random.random() * self.seconds, usage=False)
        for when, kind in self.faults.planned:
            self.scheduler.at(now + when, self._breaking(kind))
        self.cluster.commit_fault = self._commit_fault
        self.cluster.met = self.met

    def _send_at(self, when: float, *, usage: bool, account: str | None = None) -> None:
        def send() -> None:
            if self.scheduler.now < self.cluster.down_until:
                self.scheduler.at(self.cluster.down_until, send)
                return
            now = self.scheduler.now
            if account is not None:
                self._append(self.load.opening(now, account, usage=usage))
            else:
                self._append(self.load.usage(now) if usage else self.load.command(now))

        self.scheduler.at(when, send)

    def _append(self, sent: Sent, transaction: str | None = None) -> None:
        topic = self.names.usage_events if sent.usage else self.names.commands
        log = self.cluster.log(topic, sent.partition)
        log.append(sent.key, sent.value, [], self.cluster.now_ms, transaction)

    def _again(self) -> None:
        """Touch every account once more: memory that differs from the log shows in absolute rows."""
        for account in self.load.accounts:
            self._send_at(self.scheduler.now + self._random.random(), usage=True, account=account)
        self.scheduler.sleep(1.0)

    # --- faults --------------------------------------------------------------------------------------------------

    def _commit_fault(self, _: str) -> str:
        if self.calm or not self.faults.commits or self._random.random() >= self.faults.commit_chance:
            return ""
        return self._random.choice(self.faults.commits)

    def _breaking(self, kind: str) -> Callable[[], None]:
        actions: dict[str, Callable[[], object]] = {
            "worker crashed": lambda: self._some_worker(SimWorker.crash),
            "worker stopped in order": lambda: self._some_worker(SimWorker.stop),
            "worker paused shortly": lambda: self._pause(0.1, 5.0),
            "zombie": lambda: self._pause(SESSION_SECONDS + 1, 2 * SESSION_SECONDS),
            "rebalance": lambda: self.group.rebalance(),
            "rebalances in a row": self._rebalance_again_and_again,
            "cluster away shortly": lambda: self._away(0.1, 6.0),
            "cluster away long": lambda: self._away(30.0, 150.0),
            "everybody paused": self._pause_everybody,
            "clock jumped": self._jump_clock,
            "compaction": self._compact,
            "retention": self._retain,
            "rate card published": lambda: self._publish_card(self.scheduler.now + 60.0),
            "upstream transaction aborted": lambda: self._upstream(Fate.ABORTED),
            "upstream transaction committed": lambda: self._upstream(Fate.COMMITTED),
        }

        def happen() -> None:
            if not self.calm:
                self.met(kind)
                actions[kind]()

        return happen

    def _alive(self) -> list[SimWorker]:
        return [worker for worker in self.workers.values() if worker.alive]

    def _some_worker(self, action: Callable[[SimWorker], None]) -> None:
        alive = self._alive()
        if alive:
            worker = self._random.choice(alive)
            self.note(f"  {worker.name}")
            action(worker)

    def _pause(self, least: float, most: float) -> None:
        seconds = self._random.uniform(least, most)
        self._some_worker(lambda worker: worker.process.pause(seconds))

    def _pause_everybody(self) -> None:
        seconds = self._random.uniform(1.0, 3 * SESSION_SECONDS)
        for worker in self._alive():
            worker.process.pause(seconds)

    def _rebalance_again_and_again(self) -> None:
        """Partitions are gone and back before a slow checkpoint knows what became of it."""
        for number in range(1, 6):
            self.scheduler.after(number * self._random.uniform(0.5, 2.0), self.group.rebalance)

    def _away(self, least: float, most: float) -> None:
        self.cluster.down_until = self.scheduler.now + self._random.uniform(least, most)

    def _jump_clock(self) -> None:
        jump = self._random.uniform(-3_600, 3_600)
        self._some_worker(lambda worker: setattr(worker.process, "clock_skew_seconds", jump))

    def _compact(self) -> None:
        for logs in self.cluster.topics.values():
            for log in logs:
                if log.compacted:
                    log.compact(self._random.randint(0, log.high))

    def _retain(self) -> None:
        """Delete input that every copy of the progress has passed, and old outputs."""
        booked = self._booked()
        for topic in (self.names.usage_events, self.names.commands):
            for log in self.cluster.topics[topic]:
                log.delete_before(self._random.randint(0, booked[log.partition].get(topic, 0)))
        for topic in (self.names.charges, self.names.rollups, self.names.dead_letters):
            for log in self.cluster.topics[topic]:
                log.delete_before(self._random.randint(0, log.stable))

    def _upstream(self, fate: Fate) -> None:
        """A transactional producer's usage: it holds back what comes after it until it ends."""
        self._transactions += 1
        name = f"upstream-{self._transactions}"
        if self.scheduler.now < max(self.cluster.down_until, _OPENING_SECONDS):
            return
        touched = set()
        for _ in range(self._random.randint(1, 6)):
            sent = self.load.usage(self.scheduler.now)
            self._append(sent, name)
            touched.add(sent.partition)

        def finish() -> None:
            for partition in sorted(touched):
                self.cluster.log(self.names.usage_events, partition).finish(name, fate, self.cluster.now_ms)

        self.scheduler.after(self._random.random() * 4, finish)

    # --- workers -------------------------------------------------------------------------------------------------

    def _starting(self, name: str) -> Callable[[], None]:
        def start() -> None:
            self._lives += 1
            settings = WorkerSettings(bootstrap_servers=self._address, topic_prefix="s.", data_folder=name)
            deployment = Deployment(settings, self._topology(settings.engine))
            life = f"{name}/{self._lives}"
            habits = self.faults.habits
            self.workers[name] = SimWorker(self.scheduler, self.group, deployment, life, habits, self.met)
            self.note(f"{life} started")
            self._supervise(name)

        return start

    def _supervise(self, name: str) -> None:
        """Start another life when one is over."""
        worker = self.workers[name]
        if worker.alive:
            self.scheduler.after(0.5, lambda: self._supervise(name))
            return
        self.note(f"{worker.name} is over: {worker.ended}")
        self.scheduler.after(self._random.random() * 3, self._starting(name))

    def _worker_of(self, process: object) -> SimWorker | None:
        found = (worker for worker in self.workers.values() if isinstance(process, SimProcess))
        return next((worker for worker in found if worker.process is process), None)

    # --- the end -------------------------------------------------------------------------------------------------

    def _rest(self, when: str) -> None:
        """Wait until nothing is left to book, then compare."""
        deadline = self.scheduler.now + _SETTLE_SECONDS
        self.faults.habits.vanish = self.faults.habits.late = self.faults.habits.double = 0.0
        while not self._settled():
            if self.scheduler.now > deadline:
                self.outcome.problems += [f"{when}: stuck", *self._states()]
                return
            self.scheduler.sleep(_LOOK_SECONDS)
        self.note(f"settled {when}")
        pipelines = [pipeline for number in range(self.partitions) for pipeline in self._holders(number)]
        settings = OracleSettings(partitions=self.partitions, topics=self.names)
        found = sim_check.differences(self.cluster, settings, pipelines)
        self.outcome.problems += [f"{when}: {line}" for line in found]

    def _settled(self) -> bool:
        if self.scheduler.now < self.cluster.down_until or any(
            log.stable < log.high for logs in self.cluster.topics.values() for log in logs
        ):
            return False
        return all(self._is_settled(number) for number in range(self.partitions))

    def _is_settled(self, number: int) -> bool:
        ends = sim_check.visible(self.cluster, self.names, number)
        holders = [worker for worker in self._alive() if worker.pipeline(number) is not None]
        return len(holders) == 1 and all(
            stands >= end for stands, end in zip(holders[0].position(number), ends, strict=True)
        )

    def _holders(self, number: int) -> list[Pipeline]:
        found = (worker.pipeline(number) for worker in self._alive())
        return [pipeline for pipeline in found if pipeline is not None]

    def _states(self) -> list[str]:
        lines = []
        for worker in self._alive():
            for number, holding in worker.owner.holdings.items() if worker.owner else ():
                lines.append(
                    f"  {worker.name} [{number}]: {holding.phase.value}, owned {holding.owned}, {holding.failure!r}"
                )
        return lines

    # --- what everybody is started with --------------------------------------------------------------------------

    def _make_topics(self) -> None:
        for spec in topic_specs(self.names, partitions=self.partitions, replication=1):
            self.cluster.create_topic(
                spec.name,
                spec.partitions,
                appends_time=spec.config.get("message.timestamp.type") == "LogAppendTime",
                compacted=spec.config["cleanup.policy"] == "compact",
            )

    def _publish_card(self, effective: float) -> None:
        self._cards += 1
        version = f"v{self._cards}"
        value = rate_card(version, effective, self._cards)
        self.cluster.log(self.names.rate_cards, 0).append(f"default/{version}".encode(), value, [], self.cluster.now_ms)

    def _topology(self, config: EngineConfig) -> Topology:
        return Topology(
            {topic: TopicIdentity(f"id-{topic}", len(self.cluster.topics[topic])) for topic in config.topics}
        )

    def _booked(self) -> list[dict[str, int]]:
        """The committed progress of each partition, input by input."""

        booked: list[dict[str, int]] = []
        for log in self.cluster.topics[self.names.progress]:
            newest: dict[str, int] = {}
            for entry in log.history():
                if entry.key == PROGRESS_KEY and entry.value is not None:
                    newest = decode_progress(entry.value).offsets
            booked.append(newest)
        return booked

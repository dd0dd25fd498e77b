"""The workers of a schedule: started, found, and started again when a life of theirs is over."""

from collections.abc import Callable

from schemas.topics import topic_specs
from stream.engine.holding import Phase
from stream.engine.progress import TopicIdentity, Topology
from stream.pipeline import Pipeline
from stream.settings import WorkerSettings
from tests.simulation.fake_kafka import FakeKafka
from tests.simulation.sim_group import SimGroup
from tests.simulation.sim_scheduler import Process, Scheduler
from tests.simulation.sim_worker import Deployment, Habits, SimWorker

_LONGEST_RESTART_SECONDS = 3.0
_SUPERVISED_SECONDS = 0.5

ANOTHER = " again"
"""Ends the id of a topic that was made again."""

Met = Callable[[str, str], None]


class Crew:
    """A supervisor of so many workers, which share a group and a cluster."""

    def __init__(
        self,
        scheduler: Scheduler,
        cluster: FakeKafka,
        settings: Callable[[str], WorkerSettings],
        partitions: int,
        habits: Habits,
        met: Met,
        note: Callable[[str], None],
    ) -> None:
        self._scheduler = scheduler
        self._cluster = cluster
        self._settings = settings
        self._habits = habits
        self._met = met
        self._note = note
        self._lives = 0
        self._workers: dict[str, SimWorker] = {}
        self._partitions = partitions
        self.behind: set[str] = set()
        """Accounts in which something was posted while a worker took its clock to be behind."""
        self.changed: TopicIdentity | None = None
        """The one topic, if any, that the cluster tells to be another than it was."""
        self.group = SimGroup(scheduler, cluster, partitions)

    def make_topics(self) -> None:
        """All topics, as their specs have them."""
        names = self._settings("").topics
        for spec in topic_specs(names, partitions=self._partitions, replication=1):
            self._cluster.create_topic(
                spec.name,
                spec.partitions,
                appends_time=spec.config.get("message.timestamp.type") == "LogAppendTime",
                compacted=spec.config["cleanup.policy"] == "compact",
            )

    def start(self, name: str) -> None:
        """Begin a life, and another one whenever it is over."""
        self._lives += 1
        settings = self._settings(name)
        life = f"{name}/{self._lives}"
        self._workers[name] = SimWorker(
            self._scheduler,
            self.group,
            Deployment(settings, self.topology(settings)),
            life,
            self._habits,
            lambda kind: self._met(kind, life),
            self.behind,
        )
        self._note(f"{life} started")
        self._supervise(name)

    def topology(self, settings: WorkerSettings) -> Topology:
        """What the cluster tells of its topics, whose ids begin with their names."""
        topics = {topic: TopicIdentity(topic, len(self._cluster.topics[topic])) for topic in settings.engine.topics}
        if self.changed is not None:
            topics[self.changed.id.removesuffix(ANOTHER)] = self.changed
        return Topology(topics)

    def drop(self) -> None:
        """End what is left of every worker."""
        for worker in self._workers.values():
            worker.process.dead = True
            worker.loop.drop()

    @property
    def alive(self) -> list[SimWorker]:
        return [worker for worker in self._workers.values() if worker.alive]

    def of_process(self, process: Process | None) -> SimWorker | None:
        """Whose process it is."""
        return next((worker for worker in self._workers.values() if worker.process is process), None)

    def stands_at(self, partition: int) -> tuple[int, int] | None:
        """What is booked and durable of a partition, when exactly one worker has it and nothing is under way."""
        holders = [worker for worker in self.alive if worker.pipeline(partition) is not None]
        return holders[0].position(partition) if len(holders) == 1 else None

    def stopped(self, partition: int) -> list[SimWorker]:
        """Who holds the partition, as one that only a person can mend."""
        return [
            worker
            for worker in self.alive
            if worker.owner is not None
            and worker.ended is None
            and (holding := worker.owner.holdings.get(partition)) is not None
            and holding.phase is Phase.FAILED
        ]

    def pipelines(self) -> list[Pipeline]:
        """Those that are running and settled."""
        return [pipeline for number in range(self._partitions) for pipeline in self.pipelines_of(number)]

    def pipelines_of(self, partition: int) -> list[Pipeline]:
        """Those of one partition; one, while all is well."""
        held = (worker.pipeline(partition) for worker in self.alive)
        return [pipeline for pipeline in held if pipeline is not None]

    def set_clocks_right(self) -> None:
        """As whoever keeps the machines does in the end."""
        for worker in self.alive:
            worker.process.clock_skew_seconds = 0.0

    def states(self) -> list[str]:
        """Where every partition is in its life, a line each."""
        return [
            f"  {worker.name} [{number}]: {holding.phase.value}, owned {holding.owned}, {holding.failure!r}"
            for worker in self.alive
            if worker.owner is not None
            for number, holding in worker.owner.holdings.items()
        ]

    def _supervise(self, name: str) -> None:
        worker = self._workers[name]
        if worker.alive:
            self._scheduler.after(_SUPERVISED_SECONDS, lambda: self._supervise(name))
            return
        self._note(f"{worker.name} is over: {worker.ended}")
        pause_seconds = self._scheduler.random.random() * _LONGEST_RESTART_SECONDS
        self._scheduler.after(pause_seconds, lambda: self.start(name))

"""What each kind of fault does to the cluster and to the workers."""

import itertools
from collections.abc import Callable

from schemas.topics import TopicNames
from stream.engine.progress import PROGRESS_KEY, TOPOLOGY_KEY, TopicIdentity, decode_progress
from tests.simulation.fake_kafka import FakeKafka
from tests.simulation.fake_log import FakeLog, Fate
from tests.simulation.sim_crew import ANOTHER, Crew
from tests.simulation.sim_faults import Faults
from tests.simulation.sim_group import SESSION_SECONDS
from tests.simulation.sim_scheduler import Killed, Scheduler
from tests.simulation.sim_upstream import Upstream
from tests.simulation.sim_worker import SimWorker

_LONGEST_TRANSACTION_SECONDS = 4.0
_CARD_AHEAD_SECONDS = 60.0
_CLOCK_JUMP_SECONDS = 3_600.0
_NOTICED = 0.3
BOOKED_OTHER_TOPICS = "a worker took a partition over whose topics are others"
_DEDUP_WINDOW_SECONDS = 24 * 3_600.0


class Breakage:
    """Faults happen until it is `calm`."""

    def __init__(
        self,
        scheduler: Scheduler,
        cluster: FakeKafka,
        names: TopicNames,
        faults: Faults,
        crew: Crew,
        upstream: Upstream,
        met: Callable[[str, str], None],
    ) -> None:
        self.calm = False
        self._scheduler = scheduler
        self._random = scheduler.random
        self._cluster = cluster
        self._names = names
        self._faults = faults
        self._crew = crew
        self._upstream = upstream
        self._met = met
        self._actions: dict[str, Callable[[], object]] = {
            "worker crashed": lambda: self._some_worker(SimWorker.crash),
            "worker stopped in order": lambda: self._some_worker(SimWorker.stop),
            "worker paused shortly": lambda: self._pause(0.1, 5.0),
            "zombie": lambda: self._pause(SESSION_SECONDS + 1, 2 * SESSION_SECONDS),
            "rebalance": crew.group.rebalance,
            "rebalances in a row": self._rebalance_again_and_again,
            "cluster away shortly": lambda: self._away(0.1, 6.0),
            "cluster away long": lambda: self._away(30.0, 150.0),
            "everybody paused": self._pause_everybody,
            "clock jumped": self._jump_clock,
            "compaction": self._compact,
            "retention": self._retain,
            "rate card published": lambda: upstream.publish_card(_CARD_AHEAD_SECONDS),
            "upstream transaction aborted": lambda: self._upstream_transaction(Fate.ABORTED),
            "upstream transaction committed": lambda: self._upstream_transaction(Fate.COMMITTED),
            "dedup window passed": self._pass_window,
            "topic made again": lambda: self._change_topic(ANOTHER, 0),
            "partitions raised": lambda: self._change_topic("", 1),
            "leader moved": self._move_leader,
            "charges of a partition too large": self._refuse_charges,
        }

    def plan(self) -> None:
        """Have everything that was drawn happen at its time."""
        for when, kind in self._faults.planned:
            self._scheduler.after(when, self._breaking(kind))

    def commit_fault(self, _: str) -> str:
        """What befalls a commit, or nothing."""
        faults = self._faults
        if self.calm or not faults.commits or self._random.random() >= faults.commit_chance:
            return ""
        return self._random.choice(faults.commits)

    def reach(self, point: str) -> None:
        """A named place in the engine: another chance to die or to stand still."""
        worker = self._crew.of_process(self._scheduler.process)
        self._scheduler.sleep(0.0)
        chance = self._random.random()
        if self.calm or worker is None:
            return
        if chance < self._faults.crash_point_chance:
            self._met("crashed at a named point", f"{worker.name} {point}")
            worker.crash()
            raise Killed
        if chance > 1 - self._faults.pause_point_chance:
            self._met("zombie at a named point", f"{worker.name} {point}")
            worker.process.pause(self._random.uniform(SESSION_SECONDS, 2 * SESSION_SECONDS))
            self._scheduler.sleep(0.0)

    def _breaking(self, kind: str) -> Callable[[], None]:
        def happen() -> None:
            if not self.calm:
                self._met(kind, "")
                self._actions[kind]()

        return happen

    # --- workers ---

    def _some_worker(self, action: Callable[[SimWorker], None]) -> None:
        if self._crew.alive:
            action(self._random.choice(self._crew.alive))

    def _pause(self, least: float, most: float) -> None:
        seconds = self._random.uniform(least, most)
        self._some_worker(lambda worker: worker.process.pause(seconds))

    def _pause_everybody(self) -> None:
        seconds = self._random.uniform(1.0, 3 * SESSION_SECONDS)
        for worker in self._crew.alive:
            worker.process.pause(seconds)

    def _rebalance_again_and_again(self) -> None:
        """Partitions are gone and back before a slow checkpoint knows what became of it."""
        for number in range(1, 6):
            self._scheduler.after(number * self._random.uniform(0.5, 2.0), self._crew.group.rebalance)

    def _jump_clock(self) -> None:
        jump = self._random.uniform(-_CLOCK_JUMP_SECONDS, _CLOCK_JUMP_SECONDS)
        self._some_worker(lambda worker: setattr(worker.process, "clock_skew_seconds", jump))

    # --- the cluster ---

    def _away(self, least: float, most: float) -> None:
        self._cluster.down_until = self._scheduler.now + self._random.uniform(least, most)

    def _change_topic(self, suffix: str, partitions: int) -> None:
        """Until a person puts things right, workers that start find another topic; those that run may notice."""
        known = [any(entry.key == TOPOLOGY_KEY for entry in log.history()) for log in self._logs(self._names.progress)]
        if self._crew.changed is not None or not all(known):
            return
        topic = self._random.choice((self._names.usage_events, self._names.commands, self._names.dedup_log))
        self._crew.changed = TopicIdentity(topic + suffix, len(self._logs(topic)) + partitions)
        began_with = [worker for worker in self._crew.alive if self._random.random() < _NOTICED]
        for worker in began_with:
            worker.topics_changed()
        self._some_worker(SimWorker.crash)
        self._scheduler.after(self._random.uniform(4.0, 12.0), self._change_back)

    def _change_back(self) -> None:
        """Whoever began while the topic was another has refused every partition, and finds it as it was."""
        changed, self._crew.changed = self._crew.changed, None
        for worker in self._crew.alive:
            if changed not in worker.topology.topics.values():
                continue
            self._met(BOOKED_OTHER_TOPICS if worker.books else "changed topics refused", worker.name)
            worker.topics_changed()

    def _logs(self, topic: str) -> list[FakeLog]:
        return self._cluster.topics[topic]

    def _move_leader(self) -> None:
        """One partition of one topic, and soon another one, of which the first may have been an input."""
        for _ in range(2):
            log = self._random.choice([log for logs in self._cluster.topics.values() for log in logs])
            self._cluster.move_leader(log, self._random.uniform(0.1, 5.0))

    def _refuse_charges(self) -> None:
        """No attempt can write a checkpoint that has charges, until a person mends it."""
        partition = self._random.randrange(len(self._cluster.topics[self._names.charges]))
        self._cluster.refused.add((self._names.charges, partition))

    def _compact(self) -> None:
        for logs in self._cluster.topics.values():
            for log in logs:
                if log.compacted:
                    log.compact(self._random.randint(0, log.high))

    def _pass_window(self) -> None:
        """So long a time in which nobody does anything that ids expire, or are just about to."""
        # Nobody has had the time to read a card that would be in force at once.
        if self._upstream.effective_at <= self._upstream.now:
            self._scheduler.skipped_seconds += round(
                self._random.choice((0.99, 1.0, 1.05, 2.0)) * _DEDUP_WINDOW_SECONDS
            )
            self._scheduler.after(self._random.random() * 5, self._retain)

    def _retain(self) -> None:
        """Delete input that was booked, and old outputs; charges and entries are kept while they may be corrected."""
        booked = self._booked()
        for topic in (self._names.usage_events, self._names.commands):
            for log in self._cluster.topics[topic]:
                log.delete_before(self._random.randint(0, booked[log.partition].get(topic, 0)))
        for topic in (self._names.rollups, self._names.dead_letters):
            for log in self._cluster.topics[topic]:
                log.delete_before(self._random.randint(0, log.stable))
        for log in self._cluster.topics[self._names.dedup_log]:
            self._expire_ids(log, booked[log.partition])

    def _expire_ids(self, log: FakeLog, booked: dict[str, int]) -> None:
        """Delete ids that the oldest record that is not booked yet could not meet again."""
        inputs = [(self._cluster.log(topic, log.partition), offset) for topic, offset in booked.items()]
        oldest_ms = min(
            (entry.timestamp_ms for each, offset in inputs for entry in each.entries[offset:]),
            default=self._cluster.now_ms,
        )
        needed_ms = oldest_ms - int(_DEDUP_WINDOW_SECONDS * 1_000)
        expired = sum(1 for _ in itertools.takewhile(lambda entry: entry.timestamp_ms < needed_ms, log.entries))
        expired = min(expired, log.stable)
        if booked and expired > log.start:
            log.delete_before(expired)
            self._met("ids deleted", f"of partition {log.partition}, before {expired}")

    def _booked(self) -> list[dict[str, int]]:
        """The committed progress of each partition, by input."""
        booked: list[dict[str, int]] = []
        for log in self._cluster.topics[self._names.progress]:
            newest: dict[str, int] = {}
            for entry in log.history():
                if entry.key == PROGRESS_KEY and entry.value is not None:
                    newest = decode_progress(entry.value).offsets
            booked.append(newest)
        return booked

    def _upstream_transaction(self, fate: Fate) -> None:
        """A transactional producer holds back what comes after its records, and all of the other input's since then."""
        finish = self._upstream.send_together(self._random.randint(1, 6))
        self._scheduler.after(self._random.random() * _LONGEST_TRANSACTION_SECONDS, lambda: finish(fate))

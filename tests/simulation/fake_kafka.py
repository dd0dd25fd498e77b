"""An in-memory Kafka cluster: topics, the transaction coordinator, and how long everything takes.

What it promises is checked against a real broker by tests/contract/test_fake_kafka.py.
"""

import functools
from collections.abc import Callable, Iterable
from enum import Enum

from confluent_kafka import KafkaError, KafkaException

from tests.simulation.fake_log import FakeLog, Fate
from tests.simulation.sim_scheduler import Scheduler

_LONGEST_LATENCY_SECONDS = 0.004
_LONGEST_MARKER_SECONDS = 0.03
_RETRY_SECONDS = 0.02


class Ends(Enum):
    """How far a transaction's end is."""

    NONE = "none"
    OPEN = "open"
    COMMITTING = "committing"
    ABORTING = "aborting"


class Transaction:
    """What the coordinator knows of a transactional id; its newest producer has the highest epoch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.epoch = -1
        self.number = 0
        """Counts the id's transactions."""
        self.ends = Ends.NONE
        self.logs: list[FakeLog] = []
        self.last_committed = False

    @property
    def ending(self) -> bool:
        return self.ends in (Ends.COMMITTING, Ends.ABORTING)

    @property
    def key(self) -> str:
        return f"{self.name}/{self.number}"


class FakeKafka:
    """A cluster; `down_until` is when it can be reached again."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.topics: dict[str, list[FakeLog]] = {}
        self.down_until = 0.0
        self.commit_fault: Callable[[str], str] = lambda _: ""
        """Asked at each commit, by transactional id: the name of the fault that befalls it, or nothing."""
        self.met: Callable[[str], None] = lambda _: None
        """Told by name what happened that tests want to have seen."""
        self.refused: set[tuple[str, int]] = set()
        """Topics and partitions of which every record is too large."""
        self._transactions: dict[str, Transaction] = {}

    def create_topic(
        self, name: str, partitions: int, *, appends_time: bool = False, compacted: bool = False
    ) -> list[FakeLog]:
        self.topics[name] = [
            FakeLog(name, number, appends_time=appends_time, compacted=compacted) for number in range(partitions)
        ]
        return self.topics[name]

    def log(self, topic: str, partition: int) -> FakeLog:
        return self.topics[topic][partition]

    @property
    def now_ms(self) -> int:
        """The broker's clock, in milliseconds since 1970."""
        return int(self.scheduler.wall_seconds * 1_000)

    @property
    def is_unsettled(self) -> bool:
        """Whether any of it is away, or a transaction has not ended."""
        now = self.scheduler.now
        if now < self.down_until:
            return True
        for logs in self.topics.values():
            for log in logs:
                if log.stable < log.high or now < log.away_until:
                    return True
        return False

    # --- reaching it ---

    def reach(self, seconds: float) -> None:
        """Take the time of a request; one that cannot be answered within the time raises."""
        scheduler = self.scheduler
        deadline = scheduler.now + seconds
        scheduler.sleep(scheduler.random.random() * _LONGEST_LATENCY_SECONDS)
        while scheduler.now < self.down_until:
            scheduler.sleep(max(0.0, min(self.down_until, deadline) - scheduler.now))
            if scheduler.now >= deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the cluster is away", retriable=True))

    def move_leader(self, log: FakeLog, seconds: float) -> None:
        """Have a log without a leader for so long; the others go on."""
        log.away_until = max(log.away_until, self.scheduler.now + seconds)
        self.scheduler.at(log.away_until, log.tell)

    def until_led(self, logs: Iterable[FakeLog], deadline: float) -> None:
        """Wait until all of them have a leader; one that has none in time raises."""
        scheduler = self.scheduler
        until = max((log.away_until for log in logs), default=0.0)
        if until > scheduler.now:
            scheduler.sleep(min(until, deadline) - scheduler.now)
            if until > deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "a partition has no leader", retriable=True))

    def answer(self) -> None:
        """Take the time of an answer."""
        self.scheduler.sleep(self.scheduler.random.random() * _LONGEST_LATENCY_SECONDS)

    # --- transactions ---

    def transaction(self, name: str) -> Transaction:
        return self._transactions.setdefault(name, Transaction(name))

    def take_id(self, name: str, seconds: float) -> int:
        """A producer takes a transactional id: others are fenced, what they left is ended; its epoch."""
        transaction = self.transaction(name)
        deadline = self.scheduler.now + seconds
        self.reach(seconds)
        # While the markers of the one before are waited for, its owner may begin another.
        while transaction.ends is not Ends.NONE:
            if transaction.ends is Ends.OPEN:
                self.met("open transaction aborted by the next owner")
                self._fence_and_abort(transaction)
            self.until_ended(transaction, deadline)
        transaction.epoch += 1
        return transaction.epoch

    def until_ended(self, transaction: Transaction, deadline: float) -> None:
        """Wait until the markers of the id's last transaction are written."""
        while transaction.ending:
            if self.scheduler.now >= deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "markers are not written", retriable=True))
            self.scheduler.sleep(_RETRY_SECONDS)

    def check_epoch(self, transaction: Transaction, epoch: int) -> None:
        if epoch != transaction.epoch:
            self.met("fenced")
            raise KafkaException(KafkaError(KafkaError._FENCED, "a newer producer has this id", fatal=True))

    def append_in(
        self,
        transaction: Transaction,
        epoch: int,
        log: FakeLog,
        record: tuple[bytes | None, bytes | None, list[tuple[str, str | bytes | None]], int],
        timeout_seconds: float,
    ) -> int:
        """Append a record of the producer's open transaction, which begins with its first one."""
        self.check_epoch(transaction, epoch)
        if transaction.ends is Ends.NONE:
            transaction.ends = Ends.OPEN
            transaction.number += 1
            transaction.logs = []
            self._time_out_later(transaction, timeout_seconds)
        if log not in transaction.logs:
            transaction.logs.append(log)
        key, value, headers, created_ms = record
        at_ms = self.now_ms if log.appends_time else created_ms
        return log.append(key, value, headers, at_ms, transaction.key)

    def end(self, transaction: Transaction, epoch: int, *, commit: bool) -> None:
        """The coordinator notes how the transaction ends, then has the markers written."""
        self.check_epoch(transaction, epoch)
        if transaction.ends is Ends.OPEN:
            self._end(transaction, commit=commit)

    def _fence_and_abort(self, transaction: Transaction) -> None:
        transaction.epoch += 1
        self._end(transaction, commit=False)

    def _end(self, transaction: Transaction, *, commit: bool) -> None:
        transaction.ends = Ends.COMMITTING if commit else Ends.ABORTING
        transaction.last_committed = commit
        key, left = transaction.key, list(transaction.logs)
        fate = Fate.COMMITTED if commit else Fate.ABORTED

        def write(log: FakeLog) -> None:
            away_until = max(self.down_until, log.away_until)
            if self.scheduler.now < away_until:
                self.scheduler.at(away_until + self._marker_seconds(), lambda: write(log))
                return
            log.finish(key, fate, self.now_ms)
            left.remove(log)
            if not left:
                transaction.ends = Ends.NONE

        for log in transaction.logs:
            self.scheduler.after(self._marker_seconds(), functools.partial(write, log))

    def _marker_seconds(self) -> float:
        return self.scheduler.random.random() ** 3 * _LONGEST_MARKER_SECONDS

    def _time_out_later(self, transaction: Transaction, seconds: float) -> None:
        number = transaction.number

        def time_out() -> None:
            if transaction.number == number and transaction.ends is Ends.OPEN:
                self.met("transaction timed out")
                self._fence_and_abort(transaction)

        self.scheduler.after(seconds, time_out)


_clusters: dict[str, FakeKafka] = {}


def serve(address: str, cluster: FakeKafka) -> None:
    """Let clients find a cluster by `bootstrap.servers`."""
    _clusters[address] = cluster


def withdraw(address: str) -> None:
    del _clusters[address]


def cluster_at(address: object) -> FakeKafka:
    return _clusters[str(address)]

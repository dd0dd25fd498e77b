"""Transactions of ours that time out or are fenced, and those of producers upstream."""

import time
from datetime import UTC, datetime

from confluent_kafka import Consumer, Producer, TopicPartition

from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from tests.chaos.errors import ChaosError
from tests.chaos.fault import Fault
from tests.chaos.stage import Stage
from tests.chaos.watch import Ends
from tests.integration.system import PARTITIONS

_FENCINGS = 8
_TIMED_OUT_SECONDS = 60.0
"""The impatient worker's 8 s, and the 10 s after which a broker looks for such transactions."""
_TRIES_TO_MEET_ONE_OPEN = 200
_UPSTREAM_TRANSACTIONS = 60
_UPSTREAM_RECORDS = 50
_HELD_OPEN_SECONDS = 5.0
_ABANDONED_TIMEOUT_MS = 5_000


def _timed_out(stage: Stage) -> None:
    stage.sleep(2)
    _freeze_inside_transaction(stage)
    stage.wait_until(lambda: not _is_one_open(stage), "the broker aborts our transaction", _TIMED_OUT_SECONDS)
    stage.prove("the broker aborted a transaction of a worker that stood still")
    stage.thaw(stage.workers[0])
    stage.over()


def _freeze_inside_transaction(stage: Stage) -> None:
    """Stop the worker while a transaction of its is open: the last stable offset is then behind the end."""
    for _ in range(_TRIES_TO_MEET_ONE_OPEN):
        stage.freeze(stage.workers[0])
        time.sleep(0.1)
        if _is_one_open(stage):
            return
        stage.thaw(stage.workers[0])
        stage.sleep(0.13)
    raise ChaosError("no transaction was met open")


def _is_one_open(stage: Stage) -> bool:
    """Whether a last stable offset of what the worker writes is behind the end."""
    topics = (stage.system.topics.charges, stage.system.topics.progress)
    places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    readers = [_consumer(stage, level) for level in ("read_committed", "read_uncommitted")]
    try:
        for place in places:
            stable, high = (each.get_watermark_offsets(place, timeout=10)[1] for each in readers)
            if stable < high:
                return True
        return False
    finally:
        for each in readers:
            each.close()


def _consumer(stage: Stage, isolation_level: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": stage.kafka.bootstrap_servers,
            "group.id": "chaos-ends",
            "isolation.level": isolation_level,
        }
    )


def _fenced(stage: Stage) -> None:
    """A stranger with the owner's transactional id: what a stale assignee would do."""
    claims = stage.watch.claims()
    for number in range(_FENCINGS):
        stage.sleep(1)
        stranger = _producer(stage, f"chaos.creditstream-{number % PARTITIONS}")
        stranger.init_transactions(30)
    stage.wait_until(lambda: stage.watch.claims() > claims, "an owner that fences the stranger")
    stage.prove(f"a stranger fenced {_FENCINGS} owners, who noticed")
    stage.over()


def _upstream(stage: Stage) -> None:
    """Producers upstream write in transactions: many small ones, every third aborted, one held open, one abandoned."""
    topic = stage.system.topics.usage_events
    records = workload_records(_upstream_settings())
    upstream = _producer(stage, "upstream")
    upstream.init_transactions(30)
    committed = 0
    for number in range(_UPSTREAM_TRANSACTIONS):
        upstream.begin_transaction()
        for _ in range(_UPSTREAM_RECORDS):
            key, value, _partition = next(records)
            upstream.produce(topic, value, key)
        if number == _UPSTREAM_TRANSACTIONS // 2 + 1:
            upstream.flush(30)
            stage.sleep(_HELD_OPEN_SECONDS)
            held = not stage.watch.stable(_high_watermarks(stage))
            stage.prove(f"a transaction upstream was open for {_HELD_OPEN_SECONDS:.0f} s", holds=held)
        if number % 3:
            upstream.commit_transaction(30)
            committed += _UPSTREAM_RECORDS
        else:
            upstream.flush(30)
            upstream.abort_transaction(30)
        stage.sleep(0.1)
    stage.sent += committed
    abandoned = _producer(stage, "abandoned", **{"transaction.timeout.ms": _ABANDONED_TIMEOUT_MS})
    abandoned.init_transactions(30)
    abandoned.begin_transaction()
    for key, value, _partition in (next(records) for _ in range(_UPSTREAM_RECORDS)):
        abandoned.produce(topic, value, key)
    abandoned.flush(30)
    held_back = _high_watermarks(stage)
    stage.prove("a transaction upstream was abandoned", holds=not stage.watch.stable(held_back))
    del abandoned
    stage.wait_until(lambda: stage.watch.stable(held_back), "the broker aborts what was abandoned")
    stage.over()


def _high_watermarks(stage: Stage) -> Ends:
    consumer = _consumer(stage, "read_uncommitted")
    topic = stage.system.topics.usage_events
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        return {(topic, each.partition): consumer.get_watermark_offsets(each, timeout=10)[1] for each in places}
    finally:
        consumer.close()


def _upstream_settings() -> WorkloadSettings:
    return WorkloadSettings(run="upstream", accounts=2_000, partitions=PARTITIONS, seed=7, started_at=datetime.now(UTC))


def _producer(stage: Stage, transactional_id: str, **changes: object) -> Producer:
    return Producer(
        {
            "bootstrap.servers": stage.kafka.bootstrap_servers,
            "transactional.id": transactional_id,
            "partitioner": "murmur2_random",
            "message.max.bytes": 4 << 20,
            "log_level": 2,
            **changes,
        }
    )


FAULTS = [
    Fault(
        name="transaction-timeout",
        about="the only worker stopped inside a transaction until the broker has aborted it",
        breaks=_timed_out,
        workers=1,
        worker_module="tests.chaos.odd_workers.impatient",
    ),
    Fault(
        name="fenced-by-stranger",
        about="a stranger fences the owner of one partition after the other, as a stale assignee would",
        breaks=_fenced,
    ),
    Fault(
        name="upstream-transactions",
        about="a producer upstream commits, aborts and holds transactions open, and one is abandoned",
        breaks=_upstream,
    ),
]

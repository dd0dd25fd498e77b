"""Too much, too large, or all for one account."""

import signal
import time
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec
from confluent_kafka import Producer

from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from tests.chaos.fault import Fault
from tests.chaos.load import Load
from tests.chaos.stage import ChaosError, Stage

_OVERLOAD_SECONDS, _LONG_OVERLOAD_SECONDS = 30.0, 120.0
_OVERLOAD_FACTOR = 3
_MOST_OVERLOAD_EVENTS = 1_000_000
_BOOKED_SECONDS = 300.0
_FLAT_OUT = 10_000_000
_BACKLOG_EVENTS = 60_000
_MOST_MEMORY_MIB = 1_024
"""What one worker may hold; its dedup window alone is allowed 1 GiB a partition by default."""
_LARGE_EVENTS = 240
_LARGE_BYTES = 1_000_000
_HOT_RATE = 4_000
_MOST_PROBE_FAILURES = 3


def _overload(stage: Stage) -> None:
    """Three times what one worker takes, by its own figures, for 30 s; its probe never fails."""
    capacity = _capacity(stage)
    rate = int(_OVERLOAD_FACTOR * capacity)
    seconds = _LONG_OVERLOAD_SECONDS if stage.long else _OVERLOAD_SECONDS
    events = min(int(rate * seconds), _MOST_OVERLOAD_EVENTS)
    burst = Load(
        stage.kafka.bootstrap_servers, stage.system.topics, events=events, rate=rate, name="burst", accounts=100_000
    )
    burst.start()
    deadline = time.monotonic() + seconds
    probe = _Probe(stage)
    while time.monotonic() < deadline:
        probe.ask()
        stage.sleep(1)
    stage.sent += burst.finish()
    stage.over()
    stage.wait_until(lambda: probe.ask() and stage.has_recovered(), "a lag that falls", _BOOKED_SECONDS)
    stage.await_recovery()
    _require_bounded_memory(stage)


def _capacity(stage: Stage) -> float:
    """Events a second that the worker books while it has a backlog."""
    stage.workers[0].running.signal(signal.SIGSTOP)
    backlog = Load(
        stage.kafka.bootstrap_servers, stage.system.topics, events=_BACKLOG_EVENTS, rate=_FLAT_OUT, name="backlog"
    )
    backlog.start()
    stage.sent += backlog.finish()
    stage.workers[0].running.signal(signal.SIGCONT)
    ends = stage.watch.input_ends()
    began = time.monotonic()
    stage.wait_until(lambda: stage.watch.booked(ends), "a backlog that is booked")
    return _BACKLOG_EVENTS / (time.monotonic() - began)


class _Probe:
    """Asks for health as an orchestrator does: the third failure in a row would end the worker."""

    def __init__(self, stage: Stage) -> None:
        self._workers = stage.workers
        self._failures = 0

    def ask(self) -> bool:
        """One round, true; ChaosError at the third in a row that fails."""
        answers = [(each.title, *each.running.get("/healthz")) for each in self._workers]
        unwell = [answer for answer in answers if answer[1] != HTTPStatus.OK]
        self._failures = self._failures + 1 if unwell else 0
        if self._failures >= _MOST_PROBE_FAILURES:
            raise ChaosError(f"a worker fails its probe under load: {unwell}")
        return True


def _require_bounded_memory(stage: Stage) -> None:
    if stage.most_memory_mib > _MOST_MEMORY_MIB:
        raise ChaosError(f"a worker took {stage.most_memory_mib} MiB, above {_MOST_MEMORY_MIB}")


def _large(stage: Stage) -> None:
    """Events of almost 1 MiB that wait when the workers start: they come in batches as large as may be."""
    for each in stage.workers:
        stage.stop(each)
    producer = Producer(
        {
            "bootstrap.servers": stage.kafka.bootstrap_servers,
            "partitioner": "murmur2_random",
            "message.max.bytes": 4 << 20,
            "queue.buffering.max.kbytes": 64 << 10,
        }
    )
    settings = WorkloadSettings(run="large", accounts=50, duplicates=0, malformed=0, started_at=datetime.now(UTC))
    records = workload_records(settings)
    for _ in range(_LARGE_EVENTS):
        key, value, _partition = next(records)
        event = {**msgspec.json.decode(value), "padding": "x" * _LARGE_BYTES}
        while True:
            try:
                producer.produce(stage.system.topics.usage_events, msgspec.json.encode(event), key)
            except BufferError:
                producer.poll(0.1)
            else:
                break
    if producer.flush(120):
        raise ChaosError("large events were not delivered")
    stage.sent += _LARGE_EVENTS
    for each in stage.workers:
        stage.begin(each)
    stage.over()
    stage.await_recovery()
    _require_bounded_memory(stage)


def _hot_account(stage: Stage) -> None:
    stage.sleep(5)
    stage.kill(stage.workers[0])
    stage.sleep(5)
    stage.over()


FAULTS = [
    Fault(
        name="overload",
        about="three times what a worker takes for 30 s (2 min with --long): bounded memory, health, lag falls",
        breaks=_overload,
        workers=1,
    ),
    Fault(name="large-events", about="batches of events of 1 MB", breaks=_large, rate=300),
    Fault(
        name="hot-account",
        about="one account receives everything, and a worker is killed -9",
        breaks=_hot_account,
        load={"accounts": 1},
        rate=_HOT_RATE,
    ),
]

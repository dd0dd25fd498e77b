"""Too much, too large, or all for one account."""

import time
from datetime import UTC, datetime

import msgspec
from confluent_kafka import Producer

from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from tests.chaos.errors import ChaosError
from tests.chaos.fault import Fault
from tests.chaos.stage import Stage

_MOST_MEMORY_MIB = 1_024
"""What one worker may hold; its dedup window alone is allowed 1 GiB a partition by default."""
_LARGE_EVENTS = 240
_LARGE_BYTES = 1_000_000
_HOT_RATE = 4_000


def require_bounded_memory(stage: Stage) -> None:
    """ChaosError when a worker ever held more than it may."""
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
    stage.prove(f"{_LARGE_EVENTS} events of {_LARGE_BYTES} bytes waited")
    for each in stage.workers:
        stage.begin(each)
    stage.over()
    stage.await_recovery()
    require_bounded_memory(stage)


def _hot_account(stage: Stage) -> None:
    stage.sleep(5)
    stage.kill(stage.workers[0])
    began, before = time.monotonic(), stage.load.sent
    stage.sleep(5)
    rate = (stage.load.sent - before) / (time.monotonic() - began)
    stage.prove(f"one account received {rate:.0f} events a second", holds=rate > _HOT_RATE / 2)
    stage.over()


FAULTS = [
    Fault(name="large-events", about="batches of events of 1 MB", breaks=_large, rate=300),
    Fault(
        name="hot-account",
        about="one account receives everything, and a worker is killed -9",
        breaks=_hot_account,
        load={"accounts": 1},
        rate=_HOT_RATE,
    ),
]

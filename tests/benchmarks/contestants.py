"""Runs each contestant once over an arena's load, and reads its rate from what it wrote."""

import time

from confluent_kafka import Consumer, TopicPartition

from tests.benchmarks import rates
from tests.benchmarks.arena import PARTITIONS, RATE_CARD, Arena
from tests.benchmarks.process import Contestant, running

_LONGEST_RUN_SECONDS = 300
_POLL_SECONDS = 0.5
_WATERMARK_SECONDS = 10.0


def worker(arena: Arena) -> float:
    """Events a second of `python -m stream worker`, everything switched on."""
    environment = {
        **arena.environment,
        "CREDITSTREAM_HTTP_PORT": "0",
        "CREDITSTREAM_DATA_FOLDER": str(arena.folder),
        "CREDITSTREAM_LOG_LEVEL": "WARNING",
    }
    names, events = arena.names, arena.load.events
    with running("worker", ["stream", "worker", "--single-node"], arena.folder, environment) as process:
        rates.wait_until_booked(arena.servers, names.progress, names.usage_events, events, process)
    return rates.events_per_second(rates.charged(arena.servers, names.charges, events))


def ceiling(arena: Arena) -> float:
    """Events a second of the plain loop."""
    names, events = arena.ceiling_names, arena.load.events
    arguments = [arena.servers, arena.names.usage_events, names.prefix, str(RATE_CARD), str(events)]
    with running("ceiling", ["tests.benchmarks.peers.ceiling", *arguments], arena.folder) as process:
        process.wait(_LONGEST_RUN_SECONDS)
    return rates.events_per_second(rates.charged(arena.servers, names.charges, events))


def naive_faust(arena: Arena) -> float:
    """Events a second of Faust as its tutorial has it."""
    changelog = f"{arena.prefix}naive-balances-changelog"
    arguments = [arena.servers, arena.prefix, str(RATE_CARD), str(PARTITIONS), str(arena.folder)]
    with running("naive", ["tests.benchmarks.peers.naive_faust", *arguments], arena.folder) as process:
        _wait_until_written(arena, changelog, process)
    return rates.events_per_second(rates.changed(arena.servers, changelog, arena.load.events))


def _wait_until_written(arena: Arena, topic: str, process: Contestant) -> None:
    """Until the topic holds a record for each event."""
    consumer = Consumer({"bootstrap.servers": arena.servers, "group.id": "benchmark"})
    deadline = time.monotonic() + _LONGEST_RUN_SECONDS
    try:
        while _records(consumer, topic) < arena.load.events:
            process.require_running()
            if time.monotonic() > deadline:
                raise process.failure(f"took more than {_LONGEST_RUN_SECONDS} s")
            time.sleep(_POLL_SECONDS)
    finally:
        consumer.close()


def _records(consumer: Consumer, topic: str) -> int:
    if topic not in consumer.list_topics(timeout=_WATERMARK_SECONDS).topics:
        return 0
    ends = [
        consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_WATERMARK_SECONDS)
        for partition in range(PARTITIONS)
    ]
    return sum(end[1] for end in ends if end is not None)

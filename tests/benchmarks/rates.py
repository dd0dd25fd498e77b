"""Events a second, read from what a contestant wrote: the same for all, and nothing that one says of itself."""

import json
import time
from collections.abc import Iterator
from itertools import accumulate

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from schemas.codec import decode_charges
from tests.benchmarks.arena import PARTITIONS
from tests.benchmarks.process import BenchmarkError, Contestant

FROM_SHARE, TO_SHARE = 0.05, 0.95
"""The events between these shares are measured: what comes before is starting, what comes after is ending."""

_MESSAGES_AT_ONCE = 1_000
_LONGEST_READ_SECONDS = 60

Booked = tuple[int, int]
"""When something was written, in milliseconds, and how many events it books."""


def wait_until_booked(servers: str, progress_topic: str, input_topic: str, events: int, process: Contestant) -> None:
    """Until the worker's committed progress holds that many events; its last records are few and small."""
    reached: dict[int | None, int] = {}
    for message in _read(servers, progress_topic):
        process.require_running()
        if message is not None and message.key() == b"progress":
            reached[message.partition()] = json.loads(message.value() or b"{}")["offsets"][input_topic]
        if sum(reached.values()) >= events:
            return


def charged(servers: str, topic: str, events: int) -> list[Booked]:
    """Every record of charges, committed; BenchmarkError unless they book exactly so many events."""
    written = [
        (message.timestamp()[1], len(decode_charges(message.value() or b"").charges))
        for message in _read_all(servers, topic)
    ]
    return _require(written, events, topic)


def changed(servers: str, topic: str, events: int) -> list[Booked]:
    """Every record of a changelog that gets one for each event."""
    written = [(message.timestamp()[1], 1) for message in _read_all(servers, topic)]
    return _require(written, events, topic)


def events_per_second(written: list[Booked]) -> float:
    """The slope of what was booked over time, between two shares of all events."""
    written = sorted(written)
    times_ms = [at_ms for at_ms, _ in written]
    totals = list(accumulate(count for _, count in written))
    from_events, to_events = FROM_SHARE * totals[-1], TO_SHARE * totals[-1]
    span_ms = _time_of(to_events, times_ms, totals) - _time_of(from_events, times_ms, totals)
    return (to_events - from_events) / (span_ms / 1_000)


def _time_of(events: float, times_ms: list[int], totals: list[int]) -> float:
    """When so many events were booked: linear between two records, since they were booked one by one."""
    place = next(place for place, total in enumerate(totals) if total >= events)
    if place == 0:
        return float(times_ms[0])
    before, after = totals[place - 1], totals[place]
    return times_ms[place - 1] + (times_ms[place] - times_ms[place - 1]) * (events - before) / (after - before)


def _require(written: list[Booked], events: int, topic: str) -> list[Booked]:
    booked = sum(count for _, count in written)
    if booked != events:
        raise BenchmarkError(f"{topic} books {booked} events of {events}: what was measured is not the job")
    return written


def _read_all(servers: str, topic: str) -> Iterator[Message]:
    """What is committed in a topic now."""
    for message in _read(servers, topic, until_end=True):
        if message is not None:
            yield message


def _read(servers: str, topic: str, *, until_end: bool = False) -> Iterator[Message | None]:
    """Committed messages from the beginning; None when there is none yet, so that the caller can look around."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "benchmark", "enable.partition.eof": True, "fetch.wait.max.ms": 100}
    )
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
    ended: set[int | None] = set()
    deadline = time.monotonic() + _LONGEST_READ_SECONDS
    try:
        while len(ended) < PARTITIONS or not until_end:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{topic}: nothing new within {_LONGEST_READ_SECONDS} s")
            for message in consumer.consume(_MESSAGES_AT_ONCE, 0.2):
                if message.error() is not None:
                    ended.add(message.partition())
                else:
                    deadline = time.monotonic() + _LONGEST_READ_SECONDS
                    yield message
            yield None
    finally:
        consumer.close()

"""Reads back what a partition wrote: the records of an output that came of given places of an input.

Places rise along an output. So a record is searched for by halving what is left of the log, some milliseconds a step,
and what is near it is read in a row.
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream.engine.log_ends import LogEnds
from stream.engine.processor import LookUp
from stream.engine.restoring import opened

STALL_SECONDS = 10.0
_POLL_SECONDS = 0.1
_READ_IN_A_ROW = 4
# One batch of records comes whatever its size: more of them would only be thrown away at the next step. The client
# then rests, and a step that begins meanwhile would wait for the rest's end: 3 ms a step instead of 9.
_ONE_BATCH: dict[str, str | int | float | bool] = {
    "fetch.message.max.bytes": 1_024,
    "queued.min.messages": 1,
    "fetch.queue.backoff.ms": 1,
}


class CancelledReadingError(Exception):
    """Nobody waits for it any more."""


class _Written(NamedTuple):
    """A record that came of places from the lowest to the highest."""

    offset: int
    lowest: int
    highest: int
    value: bytes


def read_back(
    config: Mapping[str, str | int | float | bool],
    ends: LogEnds,
    partition: int,
    look_ups: Sequence[LookUp],
    cancelled: threading.Event,
) -> None:
    """Have each of them take what there is; KafkaException or TimeoutError when that could not be read to its end."""
    with opened(config, _ONE_BATCH) as consumer:
        for topic, of_topic in groupby(sorted(look_ups, key=by_place), lambda each: each.topic):
            # Only now: a commit returns before its markers are written, so what is committed may not yet be readable.
            start, end = ends.of(topic, partition)
            log = _Log(consumer, TopicPartition(topic, partition), end, cancelled)
            _search(log, start, end, of_topic)


def by_place(look_up: LookUp) -> tuple[str, int]:
    """The order in which look-ups cost least."""
    return look_up.topic, look_up.place


class _Log:
    """A log that is read from wherever it is asked for, up to an end that lies behind everything that is committed."""

    def __init__(self, consumer: Consumer, place: TopicPartition, end: int, cancelled: threading.Event) -> None:
        self._consumer = consumer
        self._place = place
        self._end = end
        self._cancelled = cancelled

    def first_from(self, offset: int, look_up: LookUp) -> _Written | None:
        """The first record from an offset on that came of any place; None when there is none."""
        self._consumer.assign([TopicPartition(self._place.topic, self._place.partition, offset)])
        return self.following(look_up)

    def following(self, look_up: LookUp) -> _Written | None:
        """The next such record."""
        heard = time.monotonic()
        while True:
            if self._cancelled.is_set():
                raise CancelledReadingError
            message = self._consumer.poll(_POLL_SECONDS)
            error = message.error() if message is not None else None
            if message is None or (error is not None and self._passes(error)):
                if time.monotonic() - heard > STALL_SECONDS:
                    raise TimeoutError(f"{self._place.topic} [{self._place.partition}] could not be read to its end")
            elif error is not None:
                if (message.offset() or 0) >= self._end:
                    return None
            else:
                heard = time.monotonic()
                value = message.value() or b""
                places = look_up.places(value)
                if places is not None:
                    return _Written(message.offset() or 0, *places, value)

    def _passes(self, error: KafkaError) -> bool:
        """Whether an error is of the way to the broker; those of the log end the reading, and its end is none."""
        if error.code() == KafkaError._PARTITION_EOF:
            return False
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE) or error.fatal():
            raise KafkaException(error)
        return True


def _search(log: _Log, start: int, end: int, look_ups: Iterable[LookUp]) -> None:
    """Look each up, in the order of their places: none is before what the one before it was found in."""
    last: _Written | None = None
    for look_up in look_ups:
        # At its lowest or highest place the record before it or after it may go on with the same.
        if last is not None and last.lowest < look_up.place < last.highest:
            look_up.take([last.value])
            continue
        start = _narrow(log, start, end, look_up, near=last is not None)
        found = _in_a_row(log, start, look_up)
        if found:
            start, last = found[0].offset, found[-1]
        look_up.take([each.value for each in found])


def _narrow(log: _Log, start: int, end: int, look_up: LookUp, *, near: bool) -> int:
    """An offset at most some records before the first one that may hold the place; it is rather near, or anywhere."""
    step = 1
    while near and start + step < end:
        written = log.first_from(start + step, look_up)
        if written is None or written.highest >= look_up.place:
            end = start + step
        else:
            start, step = written.offset + 1, 2 * step
    while end - start > _READ_IN_A_ROW:
        middle = (start + end) // 2
        written = log.first_from(middle, look_up)
        if written is None or written.offset >= end or written.highest >= look_up.place:
            end = middle
        else:
            start = written.offset + 1
    return start


def _in_a_row(log: _Log, start: int, look_up: LookUp) -> list[_Written]:
    """The records that may hold the place, from the first to one that begins beyond it."""
    found = []
    written = log.first_from(start, look_up)
    while written is not None and written.lowest <= look_up.place:
        if look_up.place <= written.highest:
            found.append(written)
        written = log.following(look_up)
    return found

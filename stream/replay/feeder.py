"""Writes events and the record of their replay in one transaction, so that a crash leaves both or neither.

1. `open` fences a replay that is still running, and aborts what a killed one left.
2. The places that were replayed are read after that: no transaction can add to them behind our back.
3. `feed` writes a batch of events and their places, and commits.
A crash before the commit leaves nothing, and one after it finds the places the next time.
"""

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer
from msgspec import Struct

from schemas.topics import LARGEST_RECORD_BYTES, TopicNames
from stream.engine import crash_points
from stream.replay.choice import Feed
from stream.replay.letters import LetterPlace
from stream.topic_reader import TopicReader

MOST_EVENTS = 500
MOST_BYTES = 8 << 20
"""What a transaction holds: while it is open, the worker waits for it in the partitions that it touches."""
_TRANSACTION_TIMEOUT_MS = 15_000
_SECONDS = 30.0
_HEADERS: list[tuple[str, str | bytes | None]] = [("content-type", "application/cloudevents+json; charset=UTF-8")]


class ReplayFailedError(Exception):
    """A batch that may not be in Kafka; what is, the next run knows."""


class Replayed(Struct, frozen=True):
    """The record of one replay; its key is the dead letter's place."""

    account: str
    source: str
    id: str
    reason: str
    replayed_at_ms: int


class Feeder:
    """The one replay of an installation that may write."""

    def __init__(self, kafka: Mapping[str, str | int | float | bool], topics: TopicNames) -> None:
        self._topics = topics
        self._producer = Producer(
            {
                **kafka,
                "transactional.id": topics.replays,
                "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
                "partitioner": "murmur2_random",
                "message.max.bytes": LARGEST_RECORD_BYTES,
                "compression.type": "lz4",
                "log_level": 0,
            }
        )

    def open(self) -> None:
        """Fences whoever replayed before."""
        try:
            self._producer.init_transactions(_SECONDS)
        except KafkaException as error:
            raise ReplayFailedError(f"a transaction cannot be opened: {error.args[0].str()}") from None

    def feed(self, batch: Sequence[Feed]) -> None:
        """All of these are in usage.events when this returns, for good; ReplayFailedError where that is not known."""
        crash_points.reach("replay.begun")
        try:
            self._producer.begin_transaction()
            for feed in batch:
                self._write(feed)
            self._producer.flush(_SECONDS)
            crash_points.reach("replay.produced")
            self._commit()
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
                raise ReplayFailedError("another replay was started meanwhile: this one ends") from None
            # Else the worker would wait until the transaction times out.
            with contextlib.suppress(KafkaException):
                self._producer.abort_transaction(_SECONDS)
            raise ReplayFailedError(f"Kafka: {cause.str()}. Run it again: what was replayed is known") from None
        crash_points.reach("replay.committed")

    def _write(self, feed: Feed) -> None:
        source = f"{self._topics.dead_letters}/{feed.place}"
        headers = [*_HEADERS, ("replayed-from", source.encode())]
        key = feed.identity.account.encode()
        replayed = Replayed(*feed.identity, feed.reason.value, time.time_ns() // 1_000_000)
        self._producer.produce(self._topics.usage_events, feed.value, key, headers=headers)
        self._producer.produce(self._topics.replays, msgspec.json.encode(replayed), str(feed.place).encode(), 0)
        self._producer.poll(0)

    def _commit(self) -> None:
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                self._producer.commit_transaction(_SECONDS)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return


def replayed_places(reader: TopicReader, topics: TopicNames) -> Collection[LetterPlace]:
    """Every dead letter that was replayed."""
    places = set()
    for message in reader.records(topics.replays):
        partition, _, offset = (message.key() or b"").decode().partition("/")
        places.add(LetterPlace(int(partition), int(offset)))
    return places

"""Feeds undelivered notices back to the notifier, each once.

A redelivery is a record of the same topic and partition as the undelivered notice, and names its offset: so it is kept
at least as long, and one reading of the topic knows both.

1. `init_transactions` fences another run, and aborts what a killed one left.
2. The topic is read to its end: which notices are undelivered, and which of those were fed back.
3. The rest is written, some at a time, each batch one transaction. A crash leaves whole batches, which the next run
   finds.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from confluent_kafka import KafkaException, Producer
from msgspec import Struct

from schemas.codec import encode_json
from schemas.topics import LARGEST_OUTPUT_BYTES
from schemas.undelivered_notice import Redelivery, UndeliveredNotice, decode_undelivered
from sinks.reconcile.log import Log
from sinks.reconcile.settings import ReconcileSettings

_SECONDS = 30.0
_TRANSACTION_TIMEOUT_MS = 60_000
_AT_ONCE = 500
_BYTES_AT_ONCE = 8 << 20


class RedeliveryFailedError(Exception):
    """A batch that may not be in Kafka; what is, the next run knows."""


class Chosen(Struct, frozen=True):
    """Which undelivered notices are meant; empty stands for any."""

    account: str = ""
    kind: str = ""

    def has(self, letter: UndeliveredNotice) -> bool:
        return self.account in ("", letter.account) and self.kind in ("", letter.kind)


class Fed(NamedTuple):
    """How many were fed back by kind, and how many cannot be, as their bytes were cut or are no notice."""

    by_kind: Counter[str]
    unusable: int


def redeliver(settings: ReconcileSettings, chosen: Chosen, *, dry: bool) -> Fed:
    """Feeds back what is chosen; when `dry`, only says what that is. RedeliveryFailedError, LogError."""
    feeder = None if dry else _Feeder(settings)
    log = Log(settings)
    try:
        waiting = [
            (partition, redelivery)
            for partition in range(log.partitions(settings.topics.undelivered_notices))
            for redelivery in _waiting(log, settings.topics.undelivered_notices, partition, chosen)
        ]
    finally:
        log.close()
    usable = [(partition, redelivery) for partition, redelivery in waiting if redelivery is not None]
    if feeder is not None:
        feeder.feed(usable)
    return Fed(Counter(redelivery.kind for _, redelivery in usable), len(waiting) - len(usable))


def _waiting(log: Log, topic: str, partition: int, chosen: Chosen) -> Iterator[Redelivery | None]:
    """For each chosen notice that was not fed back, what would do so; None where nothing can."""
    letters: dict[int, UndeliveredNotice] = {}
    for message in log.records(topic, partition, *log.bounds(topic, partition)):
        # What is neither asks for nothing: the notifier tells it.
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            read = decode_undelivered(message.value() or b"")
            if isinstance(read, Redelivery):
                letters.pop(read.offset, None)
            elif chosen.has(read):
                letters[message.offset() or 0] = read
    for offset, letter in letters.items():
        if letter.reason == "unreadable" or letter.value_bytes > len(letter.value):
            yield None
        else:
            now_ms = time.time_ns() // 1_000_000
            yield Redelivery(partition, offset, letter.kind, letter.id, letter.account, now_ms, letter.value)


class _Feeder:
    """The one redelivery of an installation that may write."""

    def __init__(self, settings: ReconcileSettings) -> None:
        self._topic = settings.topics.undelivered_notices
        self._producer = Producer(
            {
                **settings.client,
                "transactional.id": f"{settings.topic_prefix}{settings.app}-redeliveries",
                "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
                "message.max.bytes": LARGEST_OUTPUT_BYTES,
                "compression.type": "lz4",
                "log_level": 0,
            }
        )
        try:
            self._producer.init_transactions(_SECONDS)
        except KafkaException as error:
            raise RedeliveryFailedError(f"a transaction cannot be opened: {error.args[0].str()}") from None

    def feed(self, redeliveries: Sequence[tuple[int, Redelivery]]) -> None:
        """All of these are in the topic when this returns."""
        batch: list[tuple[int, Redelivery]] = []
        for each in redeliveries:
            batch.append(each)
            if len(batch) >= _AT_ONCE or sum(len(redelivery.value) for _, redelivery in batch) >= _BYTES_AT_ONCE:
                self._write(batch)
                batch = []
        self._write(batch)

    def _write(self, batch: Sequence[tuple[int, Redelivery]]) -> None:
        if not batch:
            return
        try:
            self._producer.begin_transaction()
            for partition, redelivery in batch:
                self._producer.produce(self._topic, encode_json(redelivery), redelivery.account.encode(), partition)
                self._producer.poll(0)
            self._producer.commit_transaction(_SECONDS)
        except KafkaException as error:
            # Else readers wait until the transaction times out.
            with contextlib.suppress(KafkaException):
                self._producer.abort_transaction(_SECONDS)
            told = error.args[0].str()
            raise RedeliveryFailedError(f"Kafka: {told}. Run it again: what was fed back is known") from None

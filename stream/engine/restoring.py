"""Reads a partition's logs up to a claim: what a take-over restores from."""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message

from stream.engine import progress as progress_format
from stream.engine.tables import Changelogged

logger = logging.getLogger(__name__)

STALL_SECONDS = 120.0
_BATCH_RECORDS = 10_000
_WAIT_SECONDS = 0.2
MOST_ROWS_WAITING = 50_000
# Other errors are of the way to the broker: they pass, or the stall ends the take-over.
_HOPELESS = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)

Taker = Callable[[bytes | None, bytes | None], object]
"""Takes the key and the value of a record."""


class CancelledTakeOverError(Exception):
    """The partition was revoked meanwhile."""


class opened:  # noqa: N801  reads as a verb where it is used
    """A consumer of one partition's topics, closed afterwards; changes are of how it fetches."""

    def __init__(
        self,
        config: Mapping[str, str | int | float | bool],
        changes: Mapping[str, str | int | float | bool] | None = None,
    ) -> None:
        self._config = {
            **config,
            "group.id": "creditstream-recovery",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            # What is read is there already: waiting for more, or for room, only delays the take-over.
            "fetch.wait.max.ms": 5,
            "fetch.queue.backoff.ms": 10,
            "fetch.message.max.bytes": 8 << 20,
            "queued.max.messages.kbytes": 16_384,
            **(changes or {}),
        }

    def __enter__(self) -> Consumer:
        self._consumer = Consumer(self._config)
        return self._consumer

    def __exit__(self, *_: object) -> None:
        self._consumer.close()


class RowsRead:
    """The rows of a changelog on their way to its table, which decodes only the last one of a key."""

    def __init__(self, table: Changelogged) -> None:
        self.newest = 0
        """The newest checkpoint that wrote one of them."""
        self._table = table
        self._rows: dict[bytes, bytes] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Note a row as the changelog has it, or its removal."""
        if key is None:
            return
        if value is not None:
            self._rows[key] = value
            return
        # A key that was removed and comes again comes behind the others, as it did when it was written.
        self.hand_over()
        self._table.restore(key, None)

    def hand_over(self, least: int = 1) -> None:
        """Give the table what was read, if there is so much of it."""
        if len(self._rows) < least:
            return
        restore, newest = self._table.restore, self.newest
        for key, value in self._rows.items():
            if key[:1] != b"\0":
                newest = max(newest, restore(key, value))
        self.newest = newest
        self._rows.clear()


def read_until_claimed(
    consumer: Consumer,
    claim_key: bytes,
    nonce: str,
    takers: Mapping[str, Taker],
    cancelled: threading.Event,
    on_read: Callable[[int], None],
) -> int:
    """Hand every record of each topic to its taker, up to the claim with this nonce.

    Returns when a broker appended the claim, in ms since 1970; 0 when no topic keeps that.
    """
    left, appended_ms = dict(takers), 0
    heard = time.monotonic()
    while left:
        if cancelled.is_set():
            raise CancelledTakeOverError
        messages = consume(consumer)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > STALL_SECONDS:
            raise TimeoutError(f"nothing read from {sorted(left)} for {STALL_SECONDS:.0f} s")
        for message in messages:
            take = left.get(message.topic() or "")
            # Behind our claim there is nothing of ours.
            if take is None:
                continue
            key, value = message.key(), message.value()
            if key != claim_key:
                take(key, value)
            elif value is not None and progress_format.decode_claim(value).nonce == nonce:
                del left[message.topic() or ""]
                kind, at_ms = message.timestamp()
                appended_ms = max(appended_ms, at_ms if kind == TIMESTAMP_LOG_APPEND_TIME else 0)
        on_read(len(messages))
    return appended_ms


def consume(consumer: Consumer, *, ends: bool = False) -> list[Message]:
    """What is there; ends of partitions only when asked for. Other errors are raised."""
    messages = consumer.consume(1, _WAIT_SECONDS)
    if messages:
        messages += consumer.consume(_BATCH_RECORDS, 0.0)
    return [message for message in messages if message.error() is None or _matters(message.error(), ends=ends)]


def _matters(error: KafkaError | None, *, ends: bool) -> bool:
    """Whether the end of a partition is asked for; other errors are raised or told."""
    if error is None or error.code() == KafkaError._PARTITION_EOF:
        return ends
    if error.code() in _HOPELESS or error.fatal():
        raise KafkaException(error)
    logger.warning("restoring: %s", error.str())
    return False

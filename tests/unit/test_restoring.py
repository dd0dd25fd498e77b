"""What is read of a changelog up to a claim, and in which order its table gets it."""

import threading
from collections.abc import Sequence
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from msgspec import Struct

from stream.engine.progress import CLAIM_KEY, CONTROL_KEY, Claim, encode
from stream.engine.restoring import CancelledTakeOverError, RowsRead, consume, read_until_claimed
from stream.engine.tables import Table


class Row(Struct):
    """A number, and the checkpoint that wrote it."""

    number: int
    version: int


class Shelf(Table[str, Row]):
    """A table that counts what it decodes: its rows are `number/version`."""

    def __init__(self) -> None:
        super().__init__("shelf", lambda _: b"", lambda _: b"", bytes.decode, self._decode_counted)
        self.decoded = 0

    def _decode_counted(self, value: bytes) -> Row:
        self.decoded += 1
        return Row(*map(int, value.split(b"/")))


class Log:
    """A consumer whose batches are given."""

    def __init__(self, *batches: Sequence[Message]) -> None:
        self._batches = [list(batch) for batch in batches]

    def consume(self, most: int, _: float) -> list[Message]:
        """One message is waited for, the rest of its batch comes with the second call."""
        if not self._batches:
            return []
        batch = self._batches[0]
        given, self._batches[0] = batch[:most], batch[most:]
        if not self._batches[0] and most > 1:
            self._batches.pop(0)
        return given


def record(key: bytes, value: bytes | None, topic: str = "shelf") -> Message:
    """Of the changelog, unless said otherwise."""
    return Message(topic=topic, partition=0, offset=0, key=key, value=value)


def claim(
    nonce: str, key: bytes = CONTROL_KEY, topic: str = "shelf", timestamp: tuple[int, int] = (1, 1_000)
) -> Message:
    """Of the take-over with that nonce; the timestamp's kind is 2 where the broker set it."""
    value = encode(Claim(nonce, "host", 1, 1))
    return Message(topic=topic, partition=0, offset=0, key=key, value=value, timestamp=timestamp)


def read(log: Log, takers: dict[str, Any], cancelled: threading.Event | None = None) -> int:
    """Read until our claim; how many records were counted."""
    counts: list[int] = []
    consumer = cast("Consumer", log)
    read_until_claimed(consumer, CONTROL_KEY, "ours", takers, cancelled or threading.Event(), counts.append)
    return sum(counts)


def test_a_claim_tells_when_a_broker_appended_it() -> None:
    """Where the topic has the broker's time, and of ours alone; the client's may be anything."""
    messages = [
        claim("ours", topic="table", timestamp=(1, 9_000)),
        claim("theirs", topic="log", timestamp=(2, 8_000)),
        claim("ours", topic="log", timestamp=(2, 5_000)),
    ]
    takers = {"table": print, "log": print}
    consumer = cast("Consumer", Log(messages))
    assert read_until_claimed(consumer, CONTROL_KEY, "ours", takers, threading.Event(), print) == 5_000


def test_only_the_last_row_of_a_key_is_decoded() -> None:
    """A changelog that was not compacted yet holds a row many times."""
    shelf = Shelf()
    rows = RowsRead(shelf)
    for number in range(100):
        rows.take(b"%d" % (number % 3), b"%d/%d" % (number, number + 1))
    rows.hand_over()
    assert {key: row.number for key, row in shelf.items()} == {"0": 99, "1": 97, "2": 98}
    assert (shelf.decoded, rows.newest) == (3, 100)


def test_a_key_that_was_removed_and_came_again_comes_behind_the_others() -> None:
    """The oldest command is forgotten first, and found first in its table."""
    shelf = Shelf()
    rows = RowsRead(shelf)
    for key, value in ((b"a", b"1/1"), (b"b", b"2/2"), (b"a", None), (b"c", b"3/3"), (b"a", b"4/4")):
        rows.take(key, value)
    rows.hand_over()
    assert list(shelf) == ["b", "c", "a"]


def test_rows_wait_until_there_are_enough_of_them() -> None:
    """So that neither every batch is handed over, nor all of a long changelog waits."""
    shelf = Shelf()
    rows = RowsRead(shelf)
    rows.take(b"a", b"1/1")
    rows.hand_over(2)
    assert not shelf
    rows.take(b"b", b"1/1")
    rows.hand_over(2)
    assert len(shelf) == 2


def test_control_records_are_no_rows() -> None:
    """Claims of earlier take-overs stay in the changelog; a row may have any key that does not begin as theirs."""
    shelf = Shelf()
    rows = RowsRead(shelf)
    messages = [claim("theirs"), record(CONTROL_KEY + b"2", b"?"), record(CLAIM_KEY, b"1/1"), claim("ours")]
    assert read(Log(messages), {"shelf": rows.take}) == 4
    rows.hand_over()
    assert list(shelf) == ["claim"]


def test_reading_goes_on_until_every_topic_met_our_claim() -> None:
    """What is behind it in a topic is not ours."""
    taken: list[tuple[str, bytes | None]] = []
    takers = {topic: lambda key, _, topic=topic: taken.append((topic, key)) for topic in ("shelf", "other")}
    first = [record(b"a", b""), claim("ours"), record(b"b", b"")]
    assert read(Log(first, [record(b"c", b"", "other"), claim("ours", topic="other")]), takers) == 5
    assert taken == [("shelf", b"a"), ("other", b"c")]


def test_a_take_over_that_is_cancelled_ends() -> None:
    """Its partition was revoked meanwhile."""
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(CancelledTakeOverError):
        read(Log(), {"shelf": print}, cancelled)


def test_errors_that_do_not_pass_are_raised_and_others_are_not_records() -> None:
    """Ends are told only to who asks for them."""
    end = Message(topic="shelf", partition=0, offset=3, error=KafkaError(KafkaError._PARTITION_EOF))
    away = Message(topic="shelf", partition=0, offset=3, error=KafkaError(KafkaError._TRANSPORT))
    lost = Message(topic="shelf", partition=0, offset=3, error=KafkaError(KafkaError._AUTO_OFFSET_RESET))
    row = record(b"a", b"1/1")
    assert consume(cast("Consumer", Log([row, end, away]))) == [row]
    assert consume(cast("Consumer", Log([row, end, away])), ends=True) == [row, end]
    with pytest.raises(KafkaException):
        consume(cast("Consumer", Log([row, lost])))

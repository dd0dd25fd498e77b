"""A usage event is read and checked up to its boundaries, each of which is allowed."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from schemas.dead_letter import Reason
from schemas.identifiers import Account, Agent, Conversation, EventId, Node
from schemas.usage import LARGEST_EVENT_BYTES, Channel
from stream.rules.outcome import Reject
from stream.rules.partitioning import check_partitions
from stream.rules.usage import Received, Used, microseconds, quantity_in_micros, read_usage, wrong_time
from tests.unit.booking_scene import NOON, NOON_MS, JsonObject, usage

HOUR_US = 3_600_000_000
NOON_US = NOON_MS * 1_000


def read(event: JsonObject, key: bytes | None = b"acme") -> Received | Reject:
    """What is read of an event."""
    return read_usage(json.dumps(event).encode(), key)


def reason_of(found: Received | Reject) -> Reason | None:
    """Why it was rejected, None if it was read."""
    return found.reason if isinstance(found, Reject) else None


def test_a_good_event_is_read_as_it_was_written() -> None:
    """Every field; newer ones are passed over."""
    found = read(usage(quantity="1.5", unknown=[1], e_traceparent="00-1"))
    assert found == Received(
        specversion="1.0",
        type="creditstream.usage",
        id=EventId("1"),
        source="/s",
        subject=Account("acme"),
        time=datetime(2025, 11, 22, 12, tzinfo=UTC),
        data=Used(Agent("ada"), Conversation("c1"), "api", Node("answer"), Decimal("1.5")),
    )


@pytest.mark.parametrize("channel", list(Channel))
def test_every_published_channel_is_known(channel: Channel) -> None:
    """The fast decoder lists them by itself."""
    assert reason_of(read(usage(channel=channel.value))) is None


@pytest.mark.parametrize(
    ("quantity", "micros"),
    [
        (1, 1_000_000),
        (10**12, 10**18),
        ("1000000000000", 10**18),
        (0.000001, 1),
        ("0.000001", 1),
        (0.25, 250_000),
        (1.0, 1_000_000),
        ("1e3", 1_000_000_000),
        ("5.000000000", 5_000_000),
        (10**12 + 1, None),
        ("1000000000000.000001", None),
        ("0.0000001", None),
        ("1.0000001", None),
        (0, None),
        ("-0", None),
        (-1, None),
        ("-0.5", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e999999999", None),
        ("9" * 10_000, None),
        (10**40, None),
        ("", None),
        ("five", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_a_quantity_is_above_0_at_most_10_to_12_and_of_6_decimals(quantity: object, micros: int | None) -> None:
    """Each row is a quantity and its millionths, None for one that is rejected."""
    found = read(usage(quantity=quantity))
    if micros is None:
        assert reason_of(found) == Reason.INVALID_QUANTITY
    else:
        assert isinstance(found, Received)
        assert quantity_in_micros(found.data.quantity) == micros


def test_a_missing_quantity_is_one() -> None:
    """A node that ran once need not say so."""
    found = read(usage())
    assert isinstance(found, Received)
    assert quantity_in_micros(found.data.quantity) == 1_000_000


@pytest.mark.parametrize("name", ["agent", "conversation", "node", "e_id", "e_source", "e_subject"])
def test_a_name_has_at_most_256_characters_whatever_its_bytes(name: str) -> None:
    """Characters are counted, not bytes."""
    longest = "é" * 256
    key = longest.encode() if name == "e_subject" else b"acme"
    assert reason_of(read(usage(**{name: longest}), key)) is None
    assert reason_of(read(usage(**{name: longest + "é"}), key)) == Reason.INVALID_FIELD


def test_an_event_has_at_most_one_mebibyte() -> None:
    """Its size is judged before its content; padding counts."""
    good = json.dumps(usage()).encode()
    assert reason_of(read_usage(good + b" " * (LARGEST_EVENT_BYTES - len(good)), b"acme")) is None
    found = read_usage(b"x" * (LARGEST_EVENT_BYTES + 1), b"acme")
    assert found == Reject(Reason.TOO_LARGE, "1048577 bytes, more than 1048576")


def test_a_field_that_is_passed_over_must_be_utf8_too() -> None:
    """An event is one piece of text, and what is not would be kept by nobody as it was sent."""
    value = json.dumps(usage()).encode()[:-1] + b',"note":"\xff"}'
    assert reason_of(read_usage(value, b"acme")) == Reason.NOT_UTF8


@pytest.mark.parametrize(
    ("key", "detail"),
    [
        (None, "the key is absent, the subject 'acme'"),
        (b"", "the key is b'', the subject 'acme'"),
        (b"Acme", "the key is b'Acme', the subject 'acme'"),
        (b"k" * 1_000, f"the key is b'{'k' * 256}', the subject 'acme'"),
    ],
)
def test_the_key_must_be_the_subject(key: bytes | None, detail: str) -> None:
    """Each row is a key and the detail, in which a long one is cut short."""
    assert read(usage(), key) == Reject(Reason.KEY_MISMATCH, detail, "acme")


def test_a_record_without_a_value_is_no_event() -> None:
    """A tombstone has no place in an event topic."""
    assert read_usage(None, b"acme") == Reject(Reason.NOT_JSON, "the record has no value")


@pytest.mark.parametrize(
    ("occurred_us", "reason", "detail"),
    [
        (300_000_001, Reason.TOO_FAR_AHEAD, "it occurred 300 s after it was ingested"),
        (
            -2 * HOUR_US - 1,
            Reason.OLDER_THAN_DEDUP_WINDOW,
            "it occurred 2.00 hours before it was ingested, more than 2.00",
        ),
    ],
)
def test_a_time_outside_is_told_by_how_much(occurred_us: int, reason: Reason, detail: str) -> None:
    """Each row is when it occurred, in microseconds from its ingestion, with a horizon of two hours."""
    event = read(usage())
    assert isinstance(event, Received)
    assert wrong_time(event, NOON_US + occurred_us, NOON_US, 2 * HOUR_US) == Reject(reason, detail, "acme")


@pytest.mark.parametrize(
    ("time", "microsecond"),
    [
        (NOON, 0),
        ("2025-11-22T13:00:00+01:00", 0),
        ("2025-11-22 12:00:00.5z", 500_000),
        ("2025-11-22T12:00:00.000001Z", 1),
        ("2025-11-22T07:29:59.999999-04:30", -1),
    ],
)
def test_a_time_is_an_instant_whatever_its_zone(time: str, microsecond: int) -> None:
    """Each row is a time and its microseconds after noon, UTC."""
    event = read(usage(e_time=time))
    assert isinstance(event, Received)
    assert microseconds(event.time) == NOON_US + microsecond


def test_an_account_in_another_partition_than_its_own_is_rejected() -> None:
    """The detail names both."""
    found = check_partitions(["acme"], 3, lambda _: [5]).get("acme")
    assert found == Reject(Reason.WRONG_PARTITION, "it is in partition 3, its key belongs to 5", "acme")
    assert check_partitions(["acme"], 5, lambda _: [5]) == {}

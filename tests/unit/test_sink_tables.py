"""Decoded records become rows, column by column."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.charge import Charge, ChargeBatch
from schemas.codec import encode_json, encode_packed
from schemas.dead_letter import DeadLetter, Reason
from schemas.identifiers import Account, Agent, Conversation, EventId, Node, RateCardVersion
from schemas.rollup import Rollup, RollupBatch
from schemas.topics import TopicNames
from sinks.feeds import TABLES, Feed, UndecodableError, feeds
from sinks.records import Place, Record

TOPICS = TopicNames()
HOUR = 490_000
DAY_US = 86_400_000_000


def feed_of(topic: str) -> Feed:
    return feeds(TOPICS)[topic]


def record_of(topic: str, value: bytes | None, key: bytes | None = None) -> Record:
    return Record(Place(topic, 0), 0, 1_700_000_000_000, key, value)


def rows_of(topic: str, value: bytes) -> dict[str, list[dict[str, Any]]]:
    """The rows that a record becomes, by table."""
    return {
        table.name: [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]
        for table, columns in feed_of(topic).rows_of(record_of(topic, value))
    }


def charge(event: str, conversation: str, occurred_at_us: int, cost: int) -> Charge:
    return Charge(
        account=Account("acme"),
        source="test",
        id=EventId(event),
        agent=Agent("helper"),
        conversation=Conversation(conversation),
        channel="widget",
        node=Node("search"),
        quantity_micros=2_500_000,
        cost_microcredits=cost,
        messages=1,
        rate_card=RateCardVersion("2026-01"),
        occurred_at_us=occurred_at_us,
        ingested_at_ms=1_700_000_000_123,
        offset=77,
    )


def test_a_packed_rollup_becomes_a_row_per_rollup() -> None:
    """Every row carries the checkpoint that wrote its record as its version."""
    packed = RollupBatch(
        3,
        12,
        [
            Rollup(Account("acme"), HOUR, "api", Agent("a"), Node("n"), 11, 4, 2, 4, 0, 10),
            Rollup(Account("beta"), HOUR, "api", Agent("a"), Node("n"), 12, 1, 0, 0, 1, 2),
        ],
    )
    (first, second) = rows_of(TOPICS.rollups, encode_packed(packed))["rollups"]
    assert first == {
        "account": "acme",
        "hour": HOUR * 3600,
        "channel": "api",
        "agent": "a",
        "node": "n",
        "segment": 11,
        "events": 4,
        "messages": 2,
        "quantity": Decimal(4),
        "credits": Decimal("0.00001"),
        "version": 12,
    }
    assert (second["account"], second["quantity"], second["version"]) == ("beta", Decimal("0.000001"), 12)


def test_charges_fill_their_own_table_and_the_conversations() -> None:
    """A conversation appears once per record, day and agent, however many charges it has."""
    charges = [
        charge("1", "talk", DAY_US * 20_000, 1_500_000),
        charge("2", "talk", DAY_US * 20_001 - 1, 10**18),
        charge("3", "talk", DAY_US * 20_001, 0),
        charge("4", "other", DAY_US * 20_001, 0),
    ]
    rows = rows_of(TOPICS.charges, encode_packed(ChargeBatch(5, 42, 0, 1_700_000_001_000, charges)))
    assert rows["conversations"] == [
        {"account": "acme", "day": day, "agent": "helper", "conversation": conversation, "version": 42}
        for day, conversation in [(20_000, "talk"), (20_001, "talk"), (20_001, "other")]
    ]
    assert rows["charges"][0] == {
        "account": "acme",
        "occurred_at": DAY_US * 20_000,
        "source": "test",
        "id": "1",
        "agent": "helper",
        "conversation": "talk",
        "channel": "widget",
        "node": "search",
        "quantity": Decimal("2.5"),
        "credits": Decimal("1.5"),
        "messages": 1,
        "rate_card": "2026-01",
        "ingested_at": 1_700_000_000_123,
        "booked_at": 1_700_000_001_000,
        "partition": 5,
        "offset": 77,
        "version": 42,
    }
    assert [row["credits"] for row in rows["charges"]][1] == Decimal(10**12)


def test_a_dead_letter_keeps_its_bytes() -> None:
    """Key and value are the bytes as they were received."""
    letter = DeadLetter(
        reason=Reason.NOT_UTF8,
        detail="byte 0xff",
        fix="send UTF-8",
        topic="usage.events",
        partition=1,
        offset=9,
        ingested_at_ms=1,
        booked_at_ms=2,
        account="",
        key=None,
        value=b"\xff\x00",
        value_bytes=2,
        value_sha256="abc",
        version=4,
    )
    (row,) = rows_of(TOPICS.dead_letters, encode_json(letter))["dead_letters"]
    assert (row["reason"], row["key"], row["value"], row["version"]) == ("not_utf8", None, b"\xff\x00", 4)
    assert rows_of(TOPICS.sink_dead_letters, encode_json(letter))["dead_letters"] == [row]


@pytest.mark.parametrize("topic", [TOPICS.balances_changelog, TOPICS.lots_changelog])
def test_control_records_of_a_changelog_hold_no_rows(topic: str) -> None:
    """Keys that begin with a zero byte are the engine's own."""
    assert feed_of(topic).rows_of(record_of(topic, b"anything", key=b"\0claim")) == []


@pytest.mark.parametrize("topic", sorted(feeds(TOPICS)))
@pytest.mark.parametrize("value", [b"", b"\xc1", b"{}", b"\xff\xff\xff", b"[" * 100_000, b"\x91" * 100_000])
def test_what_cannot_be_read_is_undecodable(topic: str, value: bytes) -> None:
    """No bytes make anything but an UndecodableError."""
    with pytest.raises(UndecodableError):
        feed_of(topic).rows_of(record_of(topic, value, key=b"acme"))


@pytest.mark.parametrize("topic", sorted(feeds(TOPICS).keys() - {TOPICS.lots_changelog}))
def test_a_record_without_a_value_is_undecodable_but_for_a_lot_that_is_forgotten(topic: str) -> None:
    """The worker forgets a lot some time after it was closed; ClickHouse does not."""
    with pytest.raises(UndecodableError):
        feed_of(topic).rows_of(record_of(topic, None, key=b"acme"))
    assert feed_of(TOPICS.lots_changelog).rows_of(record_of(TOPICS.lots_changelog, None, key=b'["acme","free"]')) == []


def test_every_table_is_fed() -> None:
    """The tables that exist are those that topics fill."""
    fed = {table.name for feed in feeds(TOPICS).values() for table in feed.tables}
    assert fed == {table.name for table in TABLES}

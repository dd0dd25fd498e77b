"""`python -m stream simulate` on a real Kafka and a real ClickHouse: the same charges come to the same figures."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from msgspec import structs

from schemas.charge import Charge
from schemas.codec import encode_packed
from schemas.identifiers import Account, Agent, Node
from schemas.partitioning import partition_of
from tests.conftest import CreateTopics
from tests.integration.commands import ended
from tests.integration.reconcile_scene import opened
from tests.integration.system import clickhouse_settings
from tests.servers import ClickHouseServer, KafkaServer
from tests.unit.ledger_records import charge_batch
from tests.unit.test_simulate import GOOD_CARD, UNIT, charge

PARTITIONS = 2
NAMES = ("account", "occurred_at", "source", "id", "agent", "conversation", "channel", "node", "quantity", "credits")
MORE_NAMES = ("messages", "rate_card", "ingested_at", "booked_at", "partition", "offset", "version")
RANGE = ("--from", "2025-11-22", "--to", "2025-11-23")


def charges() -> list[Charge]:
    """Of two accounts and agents; one whose node the new card does not price, and one of another day."""
    usual = charge()
    changes: list[dict[str, Any]] = [
        {},
        {"quantity_micros": 2 * UNIT + 500_000, "cost_microcredits": 5_000_000},
        {"quantity_micros": 1, "cost_microcredits": 2},
        {"account": Account("duck"), "agent": Agent("bob")},
        {"node": Node("search"), "cost_microcredits": 7},
        {"occurred_at_us": usual.occurred_at_us + 86_400_000_000},
    ]
    return [structs.replace(usual, id=str(number), offset=number, **each) for number, each in enumerate(changes)]


def row_of(each: Charge) -> list[object]:
    """A charge as the sink writes it."""
    occurred = datetime.fromtimestamp(each.occurred_at_us // 1_000_000, UTC)
    quantity, credits_ = (Decimal(micros).scaleb(-6) for micros in (each.quantity_micros, each.cost_microcredits))
    identity = [each.account, occurred, each.source, each.id, each.agent, each.conversation, each.channel, each.node]
    return [*identity, quantity, credits_, each.messages, each.rate_card, occurred, occurred, 0, each.offset, 1]


@pytest.fixture
def settings(kafka: KafkaServer, create_topics: CreateTopics) -> dict[str, object]:
    """Where Kafka has the charges, a record each."""
    topics = create_topics(partitions=PARTITIONS)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for version, each in enumerate(charges(), 1):
        partition = partition_of(each.account.encode(), PARTITIONS)
        value = encode_packed(charge_batch([each], version, partition))
        producer.produce(topics.charges, value, partition=partition)
    assert producer.flush(30) == 0
    return {"bootstrap_servers": kafka.bootstrap_servers, "topic_prefix": topics.prefix}


def fill(clickhouse: ClickHouseServer, database: str) -> dict[str, object]:
    """Where ClickHouse has the charges, each of them twice."""
    settings = clickhouse_settings(clickhouse, database)
    assert ended(settings, "sinks", "migrate").returncode == 0
    with opened(clickhouse, database) as client:
        for _ in range(2):
            client.insert("charges", [row_of(each) for each in charges()], column_names=[*NAMES, *MORE_NAMES])
    return settings


def test_both_sources_come_to_the_same_figures(
    settings: dict[str, object], clickhouse: ClickHouseServer, database: str, tmp_path: Path
) -> None:
    """Of everything and of one account, by every key; each says where its figures are from."""
    file = tmp_path / "card.toml"
    file.write_text(GOOD_CARD)
    asked = ("simulate", "--rate-card", str(file), *RANGE, "--format", "json")
    from_clickhouse = fill(clickhouse, database)
    for more in (
        (),
        ("--account", "acme"),
        ("--by", "agent"),
        ("--by", "node"),
        ("--by", "channel", "--priced-by", "v1"),
    ):
        told = []
        for source in (settings, {**settings, **from_clickhouse}):
            done = ended(source, "stream", *asked, *more)
            assert done.returncode == 3, done.stderr
            told.append(json.loads(done.stdout))
        assert told[0].pop("source") == f"charges from Kafka {settings['topic_prefix']}credits.charges"
        assert f"{database}.charges" in told[1].pop("source")
        assert told[0] == told[1]
        if not more:
            assert {row["account"]: row["simulated"] for row in told[0]["rows"]} == {"acme": "10.500003", "duck": "3"}
            assert [each["node"] for each in told[0]["left_out"]] == ["search"]
    nothing = ended(settings, "stream", *asked, "--priced-by", "v9")
    assert (nothing.returncode, json.loads(nothing.stdout)["rows"]) == (0, [])


def test_a_clickhouse_that_is_away_is_named(settings: dict[str, object], tmp_path: Path) -> None:
    """With its place, and code 1."""
    file = tmp_path / "card.toml"
    file.write_text(GOOD_CARD)
    done = ended({**settings, "clickhouse_port": 1}, "stream", "simulate", "--rate-card", str(file), *RANGE)
    assert done.returncode == 1
    assert "ClickHouse 127.0.0.1:1" in done.stderr

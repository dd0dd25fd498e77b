"""Compares a running system with the oracle: prints counts and differences, and fails when there are any.

ClickHouse's user and password come from the environment, as they do for the sink.
"""

import argparse
import sys
import time
from typing import Annotated

import clickhouse_connect
from msgspec import Meta

from schemas.settings import BadSettingError, KafkaSettings, load_settings
from tests.simulation import oracle
from tests.simulation.oracle_kafka import count_partitions

BEHIND_MS = 2_000
"""How far a worker's clock is behind its own while nothing comes."""


class ComparedSystem(KafkaSettings, frozen=True, kw_only=True):
    """Where the system that is checked keeps its inputs and its figures."""

    clickhouse_host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    clickhouse_port: Annotated[int, Meta(ge=1, le=65535)] = 8123
    clickhouse_user: str = "default"
    clickhouse_password: str = ""
    clickhouse_database: Annotated[str, Meta(min_length=1)] = "creditstream"
    clickhouse_secure: bool = False
    dedup_window_hours: Annotated[int, Meta(ge=1)] = 24


def compare(system: ComparedSystem) -> list[str]:
    """Prints how much there is of everything; returns how ClickHouse differs from what the inputs demand."""
    partitions = count_partitions(system.bootstrap_servers, system.topics)
    settings = oracle.OracleSettings.of_window(
        partitions=partitions, topics=system.topics, dedup_window_hours=system.dedup_window_hours
    )
    records = oracle.read_all(system.bootstrap_servers, system.topics, partitions)
    cards = oracle.read_rate_cards(system.bootstrap_servers, system.topics)
    # What becomes due while this is read, it may miss: ask again.
    expected = oracle.expect(records, cards, settings, until_ms=time.time_ns() // 1_000_000 - BEHIND_MS)
    with clickhouse_connect.get_client(
        host=system.clickhouse_host,
        port=system.clickhouse_port,
        username=system.clickhouse_user,
        password=system.clickhouse_password,
        secure=system.clickhouse_secure,
    ) as client:
        actual = oracle.read_clickhouse(client, system.clickhouse_database)
    print(f"records read: {len(records)} of {partitions} partitions, rate cards: {len(cards)}")
    print(f"duplicates dropped: {expected.dropped_events} events, {expected.dropped_commands} commands")
    for table in oracle.TABLES:
        expected_rows, rows = (oracle.rows_of(getattr(figures, table)) for figures in (expected, actual))
        print(f"{table}: expected {len(expected_rows)}, in ClickHouse {len(rows)}")
    return oracle.differences(expected, actual)


def main() -> int:
    """0 when every figure is as it must be, 1 when any differs, 2 for a bad setting."""
    try:
        found = compare(_settings())
    except BadSettingError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(found) if found else "no difference")
    return 1 if found else 0


def _settings() -> ComparedSystem:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.oracle", description=__doc__)
    parser.add_argument("--bootstrap", metavar="HOST:PORT")
    parser.add_argument("--clickhouse", metavar="HOST:PORT")
    parser.add_argument("--database")
    parser.add_argument("--topic-prefix")
    parser.add_argument("--app")
    parser.add_argument("--dedup-window-hours", type=int)
    options = parser.parse_args()
    host, _, port = (options.clickhouse or "").rpartition(":")
    return load_settings(
        ComparedSystem,
        bootstrap_servers=options.bootstrap,
        clickhouse_host=host or None,
        clickhouse_port=port or None,
        clickhouse_database=options.database,
        topic_prefix=options.topic_prefix,
        app=options.app,
        dedup_window_hours=options.dedup_window_hours,
    )

"""Keeps in ClickHouse what a run compared and found; `sinks/reconciled.py` reads it for the sink's metrics."""

import time
from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.reconcile.run import PartitionResult
from sinks.refusals import judged

_COLUMNS: Mapping[str, str] = {
    "run": "String",
    "partition": "UInt32",
    "account": "String",
    "compared_from": "DateTime64(3, 'UTC')",
    "compared_until": "DateTime64(3, 'UTC')",
    "first_offset": "UInt64",
    "next_offset": "UInt64",
    "records": "UInt64",
    "drift": "Map(LowCardinality(String), UInt64)",
    "notes": "Array(String)",
    "finished_at": "DateTime64(3, 'UTC')",
    "version": "UInt64",
}


def record(client: Client, run_id: str, result: PartitionResult) -> None:
    """Keeps what a run found in one partition."""
    now_ms = time.time_ns() // 1_000_000
    row: list[Any] = [
        run_id,
        result.partition,
        result.account,
        result.from_ms,
        result.until_ms,
        result.first_offset,
        result.next_offset,
        result.records,
        result.drift,
        list(result.notes),
        now_ms,
        now_ms,
    ]
    try:
        client.insert(
            "reconciliations",
            [[value] for value in row],
            column_names=list(_COLUMNS),
            column_type_names=list(_COLUMNS.values()),
            column_oriented=True,
            settings={"async_insert": 0},
        )
    except ClickHouseError as error:
        raise judged(error) from error

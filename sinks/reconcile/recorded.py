"""What runs found, kept in ClickHouse: written by `reconcile`, read by the sink for its metrics."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

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
# The last run of each partition that compared all accounts, and the furthest that any did.
_LAST = """
SELECT partition, toUnixTimestamp64Milli(max(compared_until)), argMax(drift, (finished_at, run))
FROM reconciliations FINAL
WHERE account = ''
GROUP BY partition"""


class LastRun(NamedTuple):
    """How far a partition was compared (append time), and what the last run found, by kind."""

    until_ms: int
    drift: dict[str, int]


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


def last_runs(client: Client) -> dict[int, LastRun]:
    """The last run by partition."""
    try:
        rows = client.query(_LAST).result_rows
    except ClickHouseError as error:
        raise judged(error) from error
    return {partition: LastRun(until_ms, dict(drift)) for partition, until_ms, drift in rows}

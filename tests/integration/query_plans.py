"""What a query would read: its plan, as ClickHouse explains it."""

import re
from collections.abc import Iterable

import clickhouse_connect

from sinks.query import read_queries
from sinks.settings import ClickHouseSettings


def assert_read_one_account(settings: ClickHouseSettings, names: Iterable[str]) -> None:
    """The account reaches the primary key through the views: each read of a table has its condition on the index."""
    with clickhouse_connect.get_client(
        host=settings.clickhouse_host,
        port=settings.clickhouse_port,
        username=settings.clickhouse_user,
        password=settings.clickhouse_password,
        database=settings.clickhouse_database,
    ) as client:
        for name in names:
            query = read_queries()[name]
            given = {"from": "2026-09-04 00:00:00", "to": "2026-09-07 00:00:00", **query.defaults, "account": "acme"}
            wanted = {key: value for key, value in given.items() if key in query.parameters}
            plan = client.raw_query(f"EXPLAIN indexes = 1 {query.sql}", parameters=wanted, fmt="TSVRaw").decode()
            reads = len(re.findall(r"\bReadFromMergeTree", plan))
            assert reads >= 1, name
            assert plan.count("(account in ['acme', 'acme'])") == reads, f"{name}: {plan}"

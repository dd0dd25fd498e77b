"""SQL in the documents runs on the schema that the migrations make, and the views have the columns that are named."""

import re

import clickhouse_connect
import pytest

from sinks.migrate import migrate
from sinks.settings import ClickHouseSettings
from tests.documents import ROOT
from tests.servers import ClickHouseServer

QUERIES = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
VIEWS = dict(re.findall(r"^\| `(\w+_\w+)` \| (.+) \|$", QUERIES, re.M))
SQL = re.findall(r"^```sql\n(.*?)^```$", QUERIES, re.M | re.S)


@pytest.mark.parametrize("number", range(len(SQL)))
def test_sql_of_the_documents_runs(clickhouse: ClickHouseServer, database: str, number: int) -> None:
    """As it stands, on an empty database."""
    settings = _migrated(clickhouse, database)
    with _client(settings) as client:
        assert client.query(SQL[number]).result_rows == []


def test_views_have_the_columns_that_the_documents_name(clickhouse: ClickHouseServer, database: str) -> None:
    """Every view is documented; columns told by name exist."""
    settings = _migrated(clickhouse, database)
    with _client(settings) as client:
        columns = client.query(
            "SELECT table, groupArray(name) FROM system.columns WHERE database = {db:String} GROUP BY table",
            parameters={"db": database},
        ).result_rows
        views = client.query(
            "SELECT name FROM system.tables WHERE database = {db:String} AND engine = 'View'",
            parameters={"db": database},
        ).result_rows
    there = {table: set(names) for table, names in columns}
    assert {name for (name,) in views} == VIEWS.keys()
    for view in (
        "current_balances",
        "credit_lots",
        "alerts_sent",
        "refills_asked",
        "bill_lines",
        "usage_by_hour",
        "conversations_by_day",
    ):
        assert set(VIEWS[view].split(", ")) == there[view]
    for view, told in VIEWS.items():
        assert set(re.findall(r"\b[a-z]+_[a-z]+\b", told)) <= there[view]


def _migrated(clickhouse: ClickHouseServer, database: str) -> ClickHouseSettings:
    settings = ClickHouseSettings(
        clickhouse_host=clickhouse.host,
        clickhouse_port=clickhouse.port,
        clickhouse_user=clickhouse.user,
        clickhouse_password=clickhouse.password,
        clickhouse_database=database,
    )
    migrate(settings)
    return settings


def _client(settings: ClickHouseSettings) -> clickhouse_connect.driver.Client:
    return clickhouse_connect.get_client(
        host=settings.clickhouse_host,
        port=settings.clickhouse_port,
        username=settings.clickhouse_user,
        password=settings.clickhouse_password,
        database=settings.clickhouse_database,
    )

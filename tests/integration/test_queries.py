"""The analysts' questions, answered on data worked out by hand."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.account import account_of
from schemas.codec import decode_charges, decode_rollups
from sinks.__main__ import main
from sinks.clickhouse import ClickHouseWriter
from sinks.migrate import migrate
from sinks.settings import ClickHouseSettings
from sinks.tables.accounts import BalancesTable
from sinks.tables.usage import ConversationsTable, RollupsTable
from tests.integration.query_plans import assert_read_one_account
from tests.integration.sink_scene import HOUR, balance, charge, charges, rollup, rollups
from tests.servers import ClickHouseServer

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def filled(clickhouse: ClickHouseServer, database: str, monkeypatch: pytest.MonkeyPatch) -> ClickHouseSettings:
    """Three days of `acme` from 2026-09-04 on, some of it in two segments and versions; another account beside it."""
    settings = ClickHouseSettings(
        clickhouse_host=clickhouse.host,
        clickhouse_port=clickhouse.port,
        clickhouse_user=clickhouse.user,
        clickhouse_password=clickhouse.password,
        clickhouse_database=database,
    )
    for field in ("host", "port", "user", "password", "database"):
        monkeypatch.setenv(f"CREDITSTREAM_CLICKHOUSE_{field.upper()}", str(getattr(settings, f"clickhouse_{field}")))
    migrate(settings)
    writer = ClickHouseWriter(settings)
    day = HOUR + 24
    for packed in (
        rollups(rollup("acme", 1), version=1),
        rollups(
            rollup("acme", 4),
            rollup("acme", 2, segment=2),
            rollup("acme", 3, hour=HOUR + 23, channel="api", agent="other", node="code"),
            version=2,
        ),
        rollups(rollup("acme", 8, hour=day + 24), rollup("beta", 100), version=3),
    ):
        writer.insert(RollupsTable(), RollupsTable().columns_of(decode_rollups(packed)))
    # Conversations are named after the first letter of the event: talk-a twice, on two days.
    for packed in (
        charges(charge("acme", "a1"), charge("acme", "a2"), charge("acme", "b1")),
        charges(charge("acme", "a3", hour=day + 24), charge("beta", "z1")),
    ):
        writer.insert(ConversationsTable(), ConversationsTable().columns_of(decode_charges(packed)))
    for row in (balance("acme", 1, version=2), balance("acme", 500_250_000, version=3), balance("beta", 0)):
        writer.insert(BalancesTable(), BalancesTable().columns_of(account_of(row)))
    return settings


@pytest.fixture
def ask(filled: ClickHouseSettings, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Asks by the command line, in JSON, about acme."""

    def asked(name: str, start: str | None = None, end: str | None = None, account: str = "acme") -> Any:
        times = [*(("--from", start) if start else ()), *(("--to", end) if end else ())]
        assert main(["query", name, "--account", account, *times, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    return asked


def test_trend_has_a_row_for_every_day(ask: Ask) -> None:
    """Segments are summed, the newest version counts, days without usage are zero, `to` is not included."""
    assert ask("trend", "2026-09-03", "2026-09-07") == [
        {"day": "2026-09-03", "events": 0, "messages": 0, "conversations": 0, "credits": "0"},
        {"day": "2026-09-04", "events": 9, "messages": 3, "conversations": 2, "credits": "2.25"},
        {"day": "2026-09-05", "events": 0, "messages": 0, "conversations": 0, "credits": "0"},
        {"day": "2026-09-06", "events": 8, "messages": 1, "conversations": 1, "credits": "2"},
    ]
    assert [row["day"] for row in ask("trend", "2026-09-04", "2026-09-06")] == ["2026-09-04", "2026-09-05"]


def test_trend_of_some_hours_counts_those_hours(ask: Ask) -> None:
    """Usage is kept by the hour, and both ends may be one."""
    (row,) = ask("trend", "2026-09-04T23:00:00Z", "2026-09-05T00:00:00Z")
    assert (row["day"], row["events"], row["credits"]) == ("2026-09-04", 3, "0.75")


def test_channels_are_sorted_by_credits(ask: Ask) -> None:
    """Dearest first."""
    assert ask("channels", "2026-09-04", "2026-09-07") == [
        {"channel": "widget", "events": 14, "messages": 3, "credits": "3.5"},
        {"channel": "api", "events": 3, "messages": 1, "credits": "0.75"},
    ]


def test_agents_count_a_conversation_once(ask: Ask) -> None:
    """A conversation over two days is one; an agent without any is there too."""
    assert ask("agents", "2026-09-04", "2026-09-07") == [
        {"agent": "helper", "conversations": 2, "messages": 3, "credits": "3.5"},
        {"agent": "other", "conversations": 0, "messages": 1, "credits": "0.75"},
    ]


def test_nodes_show_quantity_and_cost(ask: Ask) -> None:
    """Quantities are exact decimals, like credits."""
    assert ask("nodes", "2026-09-04", "2026-09-05") == [
        {"node": "search", "events": 6, "quantity": "12", "credits": "1.5"},
        {"node": "code", "events": 3, "quantity": "6", "credits": "0.75"},
    ]


def test_balance_is_that_of_the_newest_version(ask: Ask) -> None:
    """Overage is below zero."""
    (row,) = ask("balance")
    assert (row["account"], row["remaining_credits"], row["charged_credits"]) == ("acme", "-0.25", "500.25")
    assert row["updated_at"].startswith("2026-09-21T")
    assert row["updated_at"].endswith("Z")


def test_an_unknown_account_has_no_rows_and_a_flat_trend(ask: Ask) -> None:
    """Neither is an error."""
    assert ask("balance", account="nobody") == []
    assert [row["events"] for row in ask("trend", "2026-09-04", "2026-09-06", account="nobody")] == [0, 0]


def test_names_are_parameters_and_never_sql(ask: Ask) -> None:
    """Quotes and backslashes in an account ask for that account."""
    assert ask("balance", account="' OR 1 = 1 --") == []
    assert ask("balance", account="\\' OR 1 = 1 --") == []


def test_the_same_answer_as_table_and_csv(filled: ClickHouseSettings, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures do not depend on the format."""
    arguments = ["query", "channels", "--account", "acme", "--from", "2026-09-04", "--to", "2026-09-07", "--format"]
    assert main([*arguments, "csv"]) == 0
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["channel", "events", "messages", "credits"],
        ["widget", "14", "3", "3.5"],
        ["api", "3", "1", "0.75"],
    ]
    assert main([*arguments, "table"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "channel  events  messages  credits",
        "-------  ------  --------  -------",
        "widget       14         3      3.5",
        "api           3         1     0.75",
    ]


def test_queries_read_no_more_than_their_account(filled: ClickHouseSettings) -> None:
    """Through the views."""
    assert_read_one_account(filled, ["agents", "balance", "channels", "nodes", "trend"])

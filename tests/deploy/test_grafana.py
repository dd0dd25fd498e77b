"""Every panel asks for what there is: its PromQL for exported metrics, its SQL on a real ClickHouse."""

import json
import re
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver import Client

from schemas.account import account_of
from schemas.codec import decode_charges, decode_dead_letter, decode_rollups
from sinks.clickhouse import ClickHouseWriter
from sinks.migrate import migrate
from sinks.settings import ClickHouseSettings
from sinks.tables.accounts import BalancesTable
from sinks.tables.dead_letters import DeadLettersTable
from sinks.tables.usage import ConversationsTable, RollupsTable
from tests.documents import DEPLOY, known_series, metrics_in, series_with_labels
from tests.integration.sink_scene import HOUR, NOW_MS, balance, charge, charges, dead_letter, rollup, rollups
from tests.servers import ClickHouseServer

PROVISIONING = DEPLOY / "grafana" / "provisioning"
SOURCES = (PROVISIONING / "datasources" / "creditstream.yaml").read_text(encoding="utf-8")
DASHBOARD = json.loads((PROVISIONING / "dashboards" / "creditstream.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
SQL = {title: target["rawSql"] for title, target in TARGETS if "rawSql" in target}
PROMQL = [(title, target["expr"]) for title, target in TARGETS if "expr" in target]
ACCOUNT = "acme' OR 1 = 1 --"
SHOWN: dict[str, dict[str, str]] = {
    "Lowest balances in ClickHouse": {"account": ACCOUNT, "remaining_credits": "-1.5"},
    "Trend: credits by day": {"credits": "1.5"},
    "Channels: credits by hour": {"channel": "widget", "credits": "1.5"},
    "Agents": {"agent": "helper", "conversations": "1", "messages": "2", "credits": "1.5"},
    "Nodes": {"node": "search", "events": "6", "quantity": "12", "credits": "1.5"},
    "Left now": {"remaining_credits": "-1.5"},
    "Rejected input": {"reason": "not_utf8", "offset": "7"},
}
"""The first row of each panel of ClickHouse, of what the fixture writes."""
FROM_S, TO_S = HOUR * 3_600, NOW_MS // 1_000 + 1


def as_grafana_asks(sql: str) -> str:
    """The SQL with the data source's macros and the dashboard's variable put in, as Grafana does."""
    asked = sql.replace("$__fromTime", f"toDateTime({FROM_S})").replace("$__toTime", f"toDateTime({TO_S})")
    asked = asked.replace("$account", ACCOUNT.encode().hex().upper())
    assert "$" not in asked
    return asked


@pytest.fixture
def client(clickhouse: ClickHouseServer, database: str) -> Iterator[Client]:
    """One account's balance, usage in two segments, a conversation and a dead letter; another account beside it."""
    settings = ClickHouseSettings(
        clickhouse_host=clickhouse.host,
        clickhouse_port=clickhouse.port,
        clickhouse_user=clickhouse.user,
        clickhouse_password=clickhouse.password,
        clickhouse_database=database,
    )
    migrate(settings)
    writer = ClickHouseWriter(settings)
    usage = decode_rollups(rollups(rollup(ACCOUNT, 4), rollup(ACCOUNT, 2, segment=2), rollup("beta", 9)))
    writer.insert(RollupsTable(), RollupsTable().columns_of(usage))
    priced = decode_charges(charges(charge(ACCOUNT, "a1"), charge(ACCOUNT, "a2"), charge("beta", "b1")))
    writer.insert(ConversationsTable(), ConversationsTable().columns_of(priced))
    for row in (balance(ACCOUNT, 501_500_000), balance("beta", 2_250_000)):
        writer.insert(BalancesTable(), BalancesTable().columns_of(account_of(row)))
    letter = decode_dead_letter(dead_letter(7, b"\xff"))
    writer.insert(DeadLettersTable(), DeadLettersTable().columns_of(letter))
    with clickhouse_connect.get_client(
        host=clickhouse.host,
        port=clickhouse.port,
        username=clickhouse.reader_user,
        password=clickhouse.reader_password,
        database=database,
    ) as client:
        yield client


@pytest.mark.parametrize("panel", SHOWN)
def test_a_panel_shows_what_is_in_clickhouse(client: Client, panel: str) -> None:
    """Figures of the account alone, whatever its name holds; segments are summed."""
    answer = client.query(as_grafana_asks(SQL[panel]))
    shown = dict(zip(answer.column_names, answer.result_rows[0], strict=True))
    assert {column: _text(shown[column]) for column in SHOWN[panel]} == SHOWN[panel]


def test_every_panel_of_clickhouse_is_asked_here() -> None:
    """A new panel needs a row above."""
    assert SHOWN.keys() == SQL.keys()


def test_the_account_variable_gives_names_by_their_hex(client: Client) -> None:
    """The data source takes the first column for the value: no name of an account can change a query."""
    (variable,) = DASHBOARD["templating"]["list"]
    rows = client.query(variable["query"]).result_rows
    assert [(bytes.fromhex(value).decode(), shown) for value, shown in rows] == [(ACCOUNT, ACCOUNT), ("beta", "beta")]
    assert all(re.search(r"'\$account'", sql) is None or "unhex('$account')" in sql for sql in SQL.values())


@pytest.mark.parametrize(
    ("panel", "promql"), PROMQL, ids=[f"{panel}: {number}" for number, (panel, _) in enumerate(PROMQL)]
)
def test_a_panel_asks_for_metrics_and_labels_that_are_exported(panel: str, promql: str) -> None:
    """A renamed metric would leave its panel empty."""
    series = known_series()
    assert metrics_in(promql)
    assert metrics_in(promql) <= series.keys()
    for name, labels in series_with_labels(promql):
        assert labels <= series[name], name


def test_legends_name_labels_that_their_query_keeps() -> None:
    """{{label}} of a label that was summed away shows nothing."""
    for title, target in TARGETS:
        kept = {
            label for group in re.findall(r"\bby \(([^)]*)\)", target.get("expr", "")) for label in group.split(", ")
        }
        assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= kept, title


def test_panels_use_the_data_sources_that_are_provisioned() -> None:
    """By uid and type, so that a dashboard works as it was mounted."""
    provisioned = set(
        zip(re.findall(r"^    type: (\S+)$", SOURCES, re.M), re.findall(r"uid: (\S+)", SOURCES), strict=True)
    )
    used = [panel["datasource"] for panel in PANELS] + [target["datasource"] for _, target in TARGETS]
    assert {(each["type"], each["uid"]) for each in used} == provisioned


def test_panels_have_titles_ids_and_places_of_their_own() -> None:
    """None is hidden behind another."""
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_compose_mounts_the_provisioning_and_has_what_it_names() -> None:
    """Services, password and plugin of the data sources are those of compose.yaml."""
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    provider = (PROVISIONING / "dashboards" / "creditstream.yaml").read_text(encoding="utf-8")
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in compose
    assert "path: /etc/grafana/provisioning/dashboards" in provider
    assert "url: http://prometheus:9090" in SOURCES
    assert "\n  prometheus:\n" in compose
    assert "      host: clickhouse\n" in SOURCES
    assert "\n  clickhouse:\n" in compose
    assert "CLICKHOUSE_PASSWORD: " in compose.partition("\n  grafana:\n")[2]
    assert "GF_INSTALL_PLUGINS: grafana-clickhouse-datasource" in compose


def _text(value: object) -> str:
    return f"{value:f}".rstrip("0").rstrip(".") if hasattr(value, "as_tuple") else str(value)

"""The questions about credits and their history, answered on a ledger worked out by hand."""

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from schemas.account import BillLine, account_of
from schemas.codec import decode_charges, decode_lot
from schemas.ledger import decode_entry_batch
from schemas.notice_events import decode_notice
from sinks import query as asking
from sinks.__main__ import main
from sinks.clickhouse import ClickHouseWriter
from sinks.migrate import migrate
from sinks.query import QUERIES
from sinks.settings import ClickHouseSettings
from sinks.tables.accounts import BalancesTable
from sinks.tables.ledger import LedgerTable
from sinks.tables.lots import LotsTable
from sinks.tables.notices import AlertsTable, BillsTable, RefillRequestsTable
from sinks.tables.usage import ChargesTable
from tests.integration.query_plans import assert_read_one_account
from tests.integration.sink_scene import charge, charges
from tests.ledger_rows import (
    CREDIT,
    DAY_MS,
    FOURTH_MS,
    OCTOBER_MS,
    PRO,
    SEPTEMBER_MS,
    Chain,
    account_row,
    asked,
    closed_bill,
    lot,
    low_alert,
    notice,
    packed,
    refilling,
)
from tests.servers import ClickHouseServer

Ask = Callable[..., list[dict[str, Any]]]
LEDGER_QUERIES = {
    "alerts",
    "balance",
    "bills",
    "burned",
    "credits",
    "history",
    "period",
    "purchases",
    "refills",
    "statement",
    "why",
}
FIRST = "2026-09-01T00:00:00.000Z"
FOURTH = "2026-09-04T00:00:00.000Z"


def story() -> Chain:
    """500 free credits expire; of 1,000 in the plan and 200 bought, two events burn 1,150, and 50 go on the bill."""
    chain = Chain()
    chain.granted("free:acme", 500, at_ms=SEPTEMBER_MS - 40 * DAY_MS)
    chain.expired("free:acme", 500, at_ms=SEPTEMBER_MS)
    chain.granted("plan:1", 1_000, at_ms=SEPTEMBER_MS)
    chain.granted("bought", 200, at_ms=SEPTEMBER_MS + DAY_MS, command="pay-1", detail="top-up")
    chain.burned("plan:1", 1_000, at_ms=FOURTH_MS, event="a1", offset=10)
    chain.burned("bought", 100, at_ms=FOURTH_MS, event="a1", offset=10)
    chain.burned("bought", 100, at_ms=FOURTH_MS, event="b1", offset=11)
    chain.billed(50, at_ms=FOURTH_MS, event="b1", offset=11)
    chain.refunded("bought", 40, at_ms=FOURTH_MS + 1_000, command="void-1", event="b1")
    return chain


@pytest.fixture
def filled(clickhouse: ClickHouseServer, database: str, monkeypatch: pytest.MonkeyPatch) -> ClickHouseSettings:
    """The ledger of `acme` as above, with its lots, charges and notices; another account beside it."""
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
    later = lot("gift", "promotional", 30, effective_at_ms=OCTOBER_MS)
    lots = [
        lot("free:acme", "free", 500, spent=500, expires_at_ms=SEPTEMBER_MS),
        lot("plan:1", "plan", 1_000, spent=1_000, expires_at_ms=OCTOBER_MS),
        lot("bought", "top_up", 200, spent=160),
        lot("refill:refill-1", "refill", 100, spent=100),
        later,
        lot("other", "top_up", 9, account="beta"),
    ]
    lots[2].paid_minor, lots[2].currency, lots[2].payment = 1_000, "EUR", "pay-1"
    lots[3].paid_minor, lots[3].currency, lots[3].payment = 500, "EUR", "pay-2"
    for each in lots:
        writer.insert(LotsTable(), LotsTable().columns_of(decode_lot(packed(each))))
    other = Chain("beta")
    other.granted("other", 9, at_ms=SEPTEMBER_MS, command="pay-9")
    row = account_row(story(), lots=[later], **refilling())
    row.plan, row.period_start_ms, row.period_end_ms = PRO, SEPTEMBER_MS, OCTOBER_MS
    row.bill, row.overage_used = (BillLine(SEPTEMBER_MS, PRO.overage_price_micros, "EUR", 50 * CREDIT),), 50 * CREDIT
    row.held += later.held
    for chain, balance in ((story(), row), (other, account_row(other))):
        writer.insert(LedgerTable(), LedgerTable().columns_of(decode_entry_batch(chain.batch())))
        writer.insert(BalancesTable(), BalancesTable().columns_of(account_of(packed(balance))))
    for value in (charges(charge("acme", "a1"), charge("acme", "b1")), charges(charge("beta", "a1"))):
        writer.insert(ChargesTable(), ChargesTable().columns_of(decode_charges(value)))
    for account in ("acme", "beta"):
        for told in (low_alert(1, account=account), low_alert(2, at_ms=FOURTH_MS + 1_000, account=account)):
            writer.insert(AlertsTable(), AlertsTable().columns_of(decode_notice(notice(told))))
        requests = [asked(1, 1), asked(2, 1), asked(3, 1), asked(3, 2, at_ms=FOURTH_MS + 900_000), asked(4, 1)]
        for request in requests:
            writer.insert(RefillRequestsTable(), RefillRequestsTable().columns_of(decode_notice(notice(request))))
        writer.insert(BillsTable(), BillsTable().columns_of(decode_notice(notice(closed_bill(account=account)))))
    return settings


@pytest.fixture
def ask(filled: ClickHouseSettings, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Asks by the command line, in JSON, about acme."""

    def asked(name: str, *options: str, account: str = "acme") -> Any:
        assert main(["query", name, "--account", account, *options, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    return asked


def shown(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """These columns of each row."""
    return [tuple(row[column] for column in columns) for row in rows]


def test_credits_add_up_to_what_is_available_and_what_remains(ask: Ask) -> None:
    """Lots in the order in which they burn; what has not begun is told apart."""
    assert shown(ask("credits"), "part", "credits", "lot", "kind", "expires_at") == [
        ("available", "40", "", "", None),
        ("usable", "40", "bought", "top_up", None),
        ("remaining", "40", "", "", None),
        ("not yet", "30", "gift", "promotional", None),
    ]
    assert shown(ask("credits", account="beta"), "part", "credits") == [
        ("available", "9"),
        ("usable", "9"),
        ("remaining", "9"),
    ]


def test_a_period_has_what_is_included_and_used_and_the_overage_so_far(ask: Ask) -> None:
    """Used is charged less refunded since the period began."""
    assert ask("period") == [
        {
            "plan": "pro",
            "period_start": FIRST,
            "period_end": "2026-10-01T00:00:00.000Z",
            "included_credits": "1000",
            "used_credits": "1210",
            "used_of_plan_credits": "1000",
            "left_of_plan_credits": "0",
            "overage_credits": "50",
            "overage": "billed",
            "overage_limit_credits": None,
            "remaining_credits": "40",
            "next": "",
        }
    ]


def test_purchases_are_told_with_their_payments(ask: Ask) -> None:
    """A grant that nobody paid is none; the time is that of the booking."""
    columns = ("granted_at", "kind", "lot", "credits", "paid_minor", "currency", "payment", "left_credits")
    bought = ("2026-09-02T00:00:00.100Z", "top_up", "bought", "200", 1_000, "EUR", "pay-1", "40")
    assert shown(ask("purchases"), *columns) == [bought]
    assert ask("purchases", "--from", "2026-09-03") == []
    assert len(ask("purchases", "--from", "2026-09-02", "--to", "2026-09-03")) == 1


def test_refills_are_told_with_what_became_of_them(ask: Ask) -> None:
    """A request that was sent twice is one; one that is remembered by nobody was not answered."""
    columns = ("number", "attempts", "became", "paid_minor", "payment", "paid_at")
    assert shown(ask("refills"), *columns) == [
        (1, 1, "paid", 500, "pay-2", FIRST),
        (2, 1, "declined", 0, "", None),
        (3, 2, "open", 0, "", None),
        (4, 1, "unanswered", 0, "", None),
    ]
    assert shown(ask("refills"), "asked_at", "last_asked_at", "credits")[2] == (
        FOURTH,
        "2026-09-04T00:15:00.000Z",
        "100",
    )


def test_history_is_newest_first(ask: Ask) -> None:
    """Each entry with the balance after it; as many as wanted, of the time that is wanted."""
    rows = ask("history")
    assert shown(rows[:3], "entry", "kind", "change_credits", "balance_credits", "id") == [
        (9, "refunded", "40", "40", "void-1"),
        (8, "billed", "0", "0", "b1"),
        (7, "burned", "-100", "0", "b1"),
    ]
    assert [row["entry"] for row in rows] == list(range(9, 0, -1))
    assert [row["entry"] for row in ask("history", "--limit", "2")] == [9, 8]
    assert [row["entry"] for row in ask("history", "--from", "2026-09-01", "--to", "2026-09-02")] == [3, 2]


def test_why_shows_the_event_its_place_and_who_used_what(ask: Ask) -> None:
    """A correction shows what it is about; the clock has no place in Kafka."""
    rows = ask("why")
    columns = ("entry", "kind", "topic", "partition", "offset", "rate_card", "agent", "node", "quantity")
    assert shown(rows, *columns)[3:] == [
        (4, "granted", "credits.commands", 2, 0, "", "", "", "0"),
        (5, "burned", "usage.events", 2, 10, "2026-01", "helper", "search", "2.5"),
        (6, "burned", "usage.events", 2, 10, "2026-01", "helper", "search", "2.5"),
        (7, "burned", "usage.events", 2, 11, "2026-01", "helper", "search", "2.5"),
        (8, "billed", "usage.events", 2, 11, "2026-01", "helper", "search", "2.5"),
        (9, "refunded", "credits.commands", 2, 0, "", "helper", "search", "2.5"),
    ]
    assert shown(rows, "topic", "partition", "offset")[:3] == [("", None, None)] * 3
    assert [row["balance_credits"] for row in rows] == ["500", "0", "1000", "1200", "200", "100", "0", "0", "40"]
    assert [row["entry"] for row in ask("why", "--first", "5", "--last", "6")] == [5, 6]


def test_burned_counts_a_refund_for_the_event_it_is_about(ask: Ask) -> None:
    """Which agent, channel and node; the sum is what the period used."""
    assert ask("burned", "--from", "2026-09-01", "--to", "2026-10-01") == [
        {
            "agent": "helper",
            "channel": "widget",
            "node": "search",
            "events": 2,
            "credits": "1210",
            "from_lots_credits": "1200",
            "overage_credits": "50",
            "refunded_credits": "40",
        }
    ]


def test_bills_show_closed_lines_and_the_open_one(ask: Ask) -> None:
    """A correction names the period it corrects; what is open has no number yet."""
    columns = ("state", "period_start", "line_period", "credits", "price_minor", "amount_minor", "currency")
    august = "2026-08-01T00:00:00.000Z"
    rows = ask("bills")
    assert shown(rows, *columns) == [
        ("closed", august, "2026-08-01", "30", "5", 150, "EUR"),
        ("closed", august, "2026-07-01", "-2", "5", -10, "EUR"),
        ("open", FIRST, "2026-09-01", "50", "5", 250, "EUR"),
    ]
    assert [row["bill"] != "" for row in rows] == [True, True, False]


def test_alerts_are_newest_first(ask: Ask) -> None:
    """With the level that was crossed."""
    columns = ("id", "alert", "threshold", "level_credits", "remaining_credits")
    assert shown(ask("alerts"), *columns) == [
        ("alert-2", "threshold", "20%", "200", "150"),
        ("alert-1", "threshold", "20%", "200", "150"),
    ]
    assert len(ask("alerts", "--limit", "1")) == 1


def test_a_balance_has_every_total(ask: Ask) -> None:
    """What was granted is burned, expired, voided or held; what was charged is burned, owed, billed or refunded."""
    (row,) = ask("balance")
    total = {name.removesuffix("_credits"): Decimal(row[name]) for name in row if name.endswith("_credits")}
    held = total["available"] + total["unstarted"]
    assert total["granted"] == total["burned"] + total["expired"] + total["voided"] + held - 30
    assert total["charged"] - total["refunded"] == total["burned"] + total["owed"] + total["billed"]
    assert (row["plan"], row["mode"], row["gate_closed"], row["entries"]) == ("pro", "enforce", False, 9)


def test_a_statement_has_every_entry_in_any_format(
    ask: Ask, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages it takes; the hash of each entry is what the next one follows."""
    rows = ask("statement")
    assert [row["sequence"] for row in rows] == list(range(1, 10))
    assert [row["previous"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    monkeypatch.setattr(asking, "PAGE_ROWS", 2)
    assert ask("statement") == rows
    assert ask("statement", "--first", "3", "--limit", "5") == rows[2:7]
    assert main(["query", "statement", "--account", "acme", "--format", "csv"]) == 0
    in_csv = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["sequence"], row["hash"]) for row in in_csv] == [(str(row["sequence"]), row["hash"]) for row in rows]
    assert main(["query", "statement", "--account", "acme", "--format", "jsonl"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == rows


@pytest.mark.parametrize("name", sorted(LEDGER_QUERIES))
def test_an_unknown_account_has_no_rows(ask: Ask, name: str) -> None:
    """Quotes and backslashes in its name ask for that account."""
    times = ("--from", "2026-09-01", "--to", "2026-10-01") if name == "burned" else ()
    assert ask(name, *times, account="' OR 1 = 1 --") == []
    assert ask(name, *times, account="\\' OR 1 = 1 --") == []


def test_queries_read_no_more_than_their_account(filled: ClickHouseSettings) -> None:
    """Whatever they join."""
    assert_read_one_account(filled, sorted(LEDGER_QUERIES))


def test_every_query_file_is_asked_in_a_test() -> None:
    """A new query needs one, here or among the queries of usage."""
    usage = {"agents", "channels", "nodes", "trend"}
    assert {path.stem for path in QUERIES.glob("*.sql")} == usage | LEDGER_QUERIES

"""What the sink makes of every story that the ledger's tests tell: ClickHouse shows what the ledger holds."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.codec import encode_json, encode_packed
from schemas.ledger import Entry, pack_entries
from schemas.notice_events import notice_event
from schemas.notices import Alert, RefillRequest
from schemas.topics import TopicNames
from sinks.feeds import feeds
from sinks.records import Place, Record
from sinks.verify.chain import Followed, Head, Stated, follow, start
from stream.rules.ledger.drained import Drained
from stream.rules.ledger.ledger import Ledger
from tests.unit.ledger_story import Story
from tests.unit.test_ledger_corrections import REFUNDS, REPRICED
from tests.unit.test_ledger_lots import CHARGES, ENDS, ORDER, TAKEN_BACK
from tests.unit.test_ledger_overage import OVERAGE
from tests.unit.test_ledger_plans import CHANGES, PAYMENT, PERIODS, ROLLOVER
from tests.unit.test_ledger_telling import GATE, REFILLS, THRESHOLDS

STORIES = [
    *(CHARGES + ORDER + ENDS + TAKEN_BACK + OVERAGE + REFUNDS + REPRICED),
    *(PERIODS + PAYMENT + ROLLOVER + CHANGES + THRESHOLDS + GATE + REFILLS),
]
TOPICS = TopicNames()
FEEDS = feeds(TOPICS)
KEYS = {
    "balances": ("account",),
    "lots": ("account", "lot"),
    "ledger": ("account", "sequence"),
    "alerts": ("account", "at", "id"),
    "refill_requests": ("account", "number", "attempt"),
    "bills": ("account", "period_end", "line"),
}
Row = dict[str, Any]


class Tables:
    """ClickHouse's tables: of each key the row of the highest version."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[object, ...], Row]] = {name: {} for name in KEYS}

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """A record's rows; two of one key and version are the same, in whatever order they come."""
        for table, columns in FEEDS[topic].rows_of(Record(Place(topic, 0), 0, 0, key, value)):
            for values in zip(*columns, strict=True):
                row = dict(zip(table.columns, values, strict=True))
                named = tuple(row[name] for name in KEYS[table.name])
                there = self.rows[table.name].get(named)
                if there is None or there["version"] <= row["version"]:
                    assert there is None or there["version"] < row["version"] or there == row
                    self.rows[table.name][named] = row

    def all(self, table: str) -> list[Row]:
        """In the order of the keys."""
        return [row for _, row in sorted(self.rows[table].items())]


def records(drained: Drained, version: int) -> list[tuple[str, bytes | None, bytes | None]]:
    """A checkpoint's records as the worker writes them."""
    batch = pack_entries(3, version, 0, drained.sealed.previous, drained.sealed.lines)
    written: list[tuple[str, bytes | None, bytes | None]] = [(TOPICS.ledger, None, encode_packed(batch))]
    written += [(TOPICS.balances_changelog, key, value) for key, value in drained.accounts]
    written += [(TOPICS.lots_changelog, key, value) for key, value in drained.lots]
    for notice in drained.notices:
        of_others = TOPICS.refill_requests if isinstance(notice, RefillRequest) else TOPICS.bills
        topic = TOPICS.alerts if isinstance(notice, Alert) else of_others
        written.append((topic, notice.account.encode(), encode_json(notice_event(notice, 3, version))))
    return written


@pytest.mark.parametrize("text", [pytest.param(story, id=f"{name}: {story}"[:80]) for name, story, _ in STORIES])
def test_the_tables_show_what_the_ledger_holds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains hold to the head of the account's row, lots come to its totals; a second reading changes nothing."""
    written: list[tuple[str, bytes | None, bytes | None]] = []
    drain = Ledger.drain

    def drain_and_keep(ledger: Ledger) -> Drained:
        drained = drain(ledger)
        written.extend(records(drained, ledger.version))
        return drained

    monkeypatch.setattr(Ledger, "drain", drain_and_keep)
    story = Story(text)
    tables, other_order = Tables(), Tables()
    for record in written:
        tables.take(*record)
    for record in [*sorted(written, key=lambda record: record[0], reverse=True), *written]:
        other_order.take(*record)
    assert tables.rows == other_order.rows
    # None where everything was refused: no account opens.
    for balance in tables.all("balances"):
        judge_chain(tables, balance)
        judge_totals(tables, balance)
    assert len(tables.all("balances")) == bool(story.entries)
    assert len(tables.all("ledger")) == len(story.entries)
    told = tables.all("alerts") + tables.all("refill_requests")
    assert len(told) == sum(isinstance(notice, Alert | RefillRequest) for notice in story.notices)


def judge_chain(tables: Tables, balance: Row) -> None:
    """Every entry is had back from its columns."""
    entries = [stated(row) for row in tables.all("ledger")]
    followed = follow(start("acme"), entries, Head(balance["sequence"], balance["head"]))
    assert isinstance(followed, Followed), followed
    assert followed.sequence == balance["sequence"]
    assert Decimal(followed.balance) / 1_000_000 == balance["balance_credits"]


def stated(row: Row) -> Stated:
    """The entry that a row of the ledger shows."""
    lot, owed, billed, balance = (
        int(row[f"{name}_credits"] * 1_000_000) for name in ("lot", "owed", "billed", "balance")
    )
    entry = Entry(
        row["account"],
        row["sequence"],
        row["kind"],
        lot,
        owed,
        billed,
        balance,
        row["lot"],
        row["cause"],
        row["source"],
        row["id"],
        row["offset"],
        row["rate_card"],
        row["occurred_at"],
        row["ingested_at"],
        row["booked_at"],
        row["late"],
        int(row["price_minor"] * 1_000_000),
        row["period_start"],
        row["detail"],
    )
    return Stated(entry, row["previous"], row["hash"])


def judge_totals(tables: Tables, balance: Row) -> None:
    """The equations that docs/queries.md gives."""
    total = {name.removesuffix("_credits"): value for name, value in balance.items() if name.endswith("_credits")}
    lots = tables.all("lots")
    assert total["granted"] == total["burned"] + total["expired"] + total["voided"] + total["held"]
    assert total["charged"] - total["refunded"] == total["burned"] + total["owed"] + total["billed"]
    assert total["balance"] == total["held"] - total["owed"]
    assert total["remaining"] == total["balance"] - total["unstarted"]
    assert sum(lot["held_credits"] for lot in lots) == total["held"]
    assert sum(lot["held_credits"] for lot in lots if not lot["started"]) == total["unstarted"]
    assert sum(lot["granted_credits"] for lot in lots) == total["granted"]
    for lot in lots:
        came = lot["granted_credits"] + lot["rolled_in_credits"]
        went = ("spent_credits", "expired_credits", "voided_credits", "rolled_out_credits", "held_credits")
        assert came == sum(lot[name] for name in went)

"""The ledger's records become rows: accounts, lots, entries and notices."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas.account import BillLine
from schemas.codec import encode_json, encode_packed
from schemas.ledger import EntryBatch, canonical_json
from schemas.lot import NEVER_MS
from schemas.notice_events import decode_notice
from schemas.topics import TopicNames
from sinks.feeds import UndecodableError
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
from tests.unit.test_sink_tables import feed_of, record_of, rows_of

TOPICS = TopicNames()
_GOOD = canonical_json(Chain().granted("free:acme", 500, at_ms=SEPTEMBER_MS))


def told(topic: str, value: bytes, table: str) -> list[dict[str, Any]]:
    """The rows of one table that a record becomes."""
    return rows_of(topic, value)[table]


def test_an_account_becomes_a_row_in_credits_with_its_terms() -> None:
    """Amounts are exact decimals of credits, overage included; what does not apply is empty."""
    row = account_row(Chain(), version=1 << 32 | 9, charged=500 * CREDIT + 1, owed=1, **refilling())
    row.plan, row.period_start_ms, row.period_end_ms = PRO, SEPTEMBER_MS, OCTOBER_MS
    row.bill = (BillLine(SEPTEMBER_MS, 5 * CREDIT, "EUR", 1_500_000),)
    (read,) = told(TOPICS.balances_changelog, packed(row), "balances")
    assert {
        name: read[name] for name in ("account", "sequence", "version", "charged_credits", "remaining_credits")
    } == {
        "account": "acme",
        "sequence": 0,
        "version": 1 << 32 | 9,
        "charged_credits": Decimal("500.000001"),
        "remaining_credits": Decimal("-0.000001"),
    }
    assert read["head"] == Chain().head.hex()
    assert (read["plan"], read["included_credits"], read["overage"]) == ("pro", Decimal(1000), "billed")
    assert (read["overage_limit_credits"], read["overage_price_minor"]) == (None, Decimal(5))
    assert (read["period_start"], read["period_end"]) == (SEPTEMBER_MS, OCTOBER_MS)
    assert read["open_bill"] == [("2026-09-01", Decimal("1.5"), Decimal(5), "EUR")]
    assert (read["mode"], read["refill"], read["refill_due_at"]) == ("enforce", "requested", FOURTH_MS + 900_000)
    assert read["refill_states"] == {1: "paid", 2: "declined", 3: "open"}


def test_an_account_without_plan_or_policy_says_so() -> None:
    """It is refused overage, observed, and has periods all the same."""
    (read,) = told(TOPICS.balances_changelog, packed(account_row(Chain())), "balances")
    assert (read["plan"], read["overage"], read["mode"], read["refill"]) == ("", "refused", "observe", "")
    assert (read["period_start"], read["refill_credits"], read["open_bill"]) == (None, None, [])


def test_the_lot_that_charges_burn_comes_with_its_account() -> None:
    """Its row is as new as the account's, which is newer than what the lot last said of itself."""
    first = lot("free:acme", "free", 500, spent=20, version=3)
    (read,) = told(TOPICS.balances_changelog, packed(account_row(Chain(), first_lot=first, version=7)), "lots")
    (own,) = told(TOPICS.lots_changelog, packed(first), "lots")
    assert own == {**read, "version": 3}
    assert read["version"] == 7
    assert told(TOPICS.balances_changelog, packed(account_row(Chain())), "lots") == []


@pytest.mark.parametrize(("ends_ms", "shown"), [(NEVER_MS, None), (OCTOBER_MS, OCTOBER_MS)])
def test_a_lot_becomes_a_row(ends_ms: int, shown: int | None) -> None:
    """One that never expires has no end."""
    (read,) = told(TOPICS.lots_changelog, packed(lot("bought", "top_up", 200, spent=50, expires_at_ms=ends_ms)), "lots")
    assert (read["lot"], read["kind"], read["priority"], read["expires_at"]) == ("bought", "top_up", 50, shown)
    assert (read["granted_credits"], read["spent_credits"], read["held_credits"]) == (200, 50, 150)
    assert (read["started"], read["state"], read["closed_at"]) == (True, "open", None)


def test_an_entry_becomes_a_row_with_its_hash_and_its_place() -> None:
    """What was hashed can be had back from the row, and its hash is what the next one follows."""
    chain = Chain()
    chain.granted("free:acme", 500, at_ms=SEPTEMBER_MS)
    chain.burned("free:acme", 20, at_ms=FOURTH_MS, event="e1", offset=77)
    first, second = told(TOPICS.ledger, chain.batch(version=5, first=10), "ledger")
    assert (first["sequence"], first["kind"], first["cause"], first["occurred_at"]) == (1, "granted", "clock", 0)
    assert second == {
        "account": "acme",
        "sequence": 2,
        "kind": "burned",
        "lot_credits": Decimal(-20),
        "owed_credits": Decimal(0),
        "billed_credits": Decimal(0),
        "balance_credits": Decimal(480),
        "lot": "free:acme",
        "cause": "event",
        "source": "test",
        "id": "e1",
        "offset": 77,
        "rate_card": "2026-01",
        "occurred_at": FOURTH_MS * 1_000,
        "ingested_at": FOURTH_MS + 100,
        "late": False,
        "price_minor": Decimal(0),
        "period_start": 0,
        "detail": "",
        "booked_at": FOURTH_MS + 200,
        "previous": first["hash"],
        "hash": chain.head.hex(),
        "partition": 2,
        "place": 11,
        "version": 5,
    }


@pytest.mark.parametrize(
    "line",
    [b"[", _GOOD.replace(b"1,", b'"1",', 1), _GOOD.replace(b"500", b"many"), _GOOD.replace(b"500", b"5" * 40)],
    ids=["no JSON", "another type", "no number", "more than is counted"],
)
def test_a_batch_with_what_is_no_entry_is_undecodable(line: bytes) -> None:
    """Whole: its entries continue each other."""
    batch = EntryBatch(0, 1, 0, bytes(64), _GOOD + b"\n" + line)
    with pytest.raises(UndecodableError):
        feed_of(TOPICS.ledger).rows_of(record_of(TOPICS.ledger, encode_packed(batch)))


def test_an_alert_becomes_a_row() -> None:
    """With the level as it was set and what it came to."""
    (read,) = told(TOPICS.alerts, notice(low_alert(1), version=6), "alerts")
    assert read == {
        "account": "acme",
        "at": FOURTH_MS,
        "id": "alert-1",
        "alert": "threshold",
        "remaining_credits": Decimal(150),
        "mode": "enforce",
        "threshold": "20%",
        "level_credits": Decimal(200),
        "on_set": False,
        "delayed": False,
        "detail": "",
        "version": 6,
    }


def test_a_refill_request_becomes_a_row_each_time_it_is_sent() -> None:
    """The request is the same, the attempt is another."""
    (first,) = told(TOPICS.refill_requests, notice(asked(4, 1)), "refill_requests")
    (again,) = told(TOPICS.refill_requests, notice(asked(4, 2, at_ms=FOURTH_MS + 1)), "refill_requests")
    assert first == {**again, "attempt": 1, "at": FOURTH_MS}
    assert (first["request"], first["number"], first["credits"]) == ("refill-4", 4, Decimal(100))


def test_a_bill_becomes_a_row_per_line() -> None:
    """In order; a line of another period corrects that one."""
    first, second = told(TOPICS.bills, notice(closed_bill()), "bills")
    august = SEPTEMBER_MS - 31 * DAY_MS
    assert (first["period_start"], first["period_end"], first["line"]) == (august, SEPTEMBER_MS, 1)
    assert (first["line_period_start"], first["credits"], first["amount_minor"]) == (august, Decimal(30), 150)
    assert second == {
        **first,
        "line": 2,
        "line_period_start": SEPTEMBER_MS - 62 * DAY_MS,
        "credits": Decimal(-2),
        "amount_minor": -10,
    }


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        (TOPICS.alerts, notice(asked(1, 1))),
        (TOPICS.refill_requests, notice(closed_bill())),
        (TOPICS.bills, notice(low_alert(1))),
    ],
)
def test_a_notice_in_another_kind_s_topic_is_undecodable(topic: str, value: bytes) -> None:
    """Each topic holds one kind."""
    with pytest.raises(UndecodableError, match="is no"):
        feed_of(topic).rows_of(record_of(topic, value))


@pytest.mark.parametrize("amount", ["1e999999999", "0.0000001", "NaN"])
def test_an_amount_that_no_column_holds_is_undecodable_at_once(amount: str) -> None:
    """Before anybody writes out a thousand million digits."""
    alert = decode_notice(notice(low_alert(1)))
    data = msgspec.structs.replace(alert.data, remaining_credits=Decimal(amount))
    value = encode_json(msgspec.structs.replace(alert, data=data))
    with pytest.raises(UndecodableError):
        feed_of(TOPICS.alerts).rows_of(record_of(TOPICS.alerts, value))

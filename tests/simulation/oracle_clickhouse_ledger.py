"""Reads what ClickHouse shows of the ledger: accounts, lots, entries, and what people were told."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from tests.simulation.oracle_records import (
    AlertFacts,
    BalanceTotals,
    BillFacts,
    BillLine,
    EntryFacts,
    EntryKey,
    Figures,
    LotKey,
    LotTotals,
    RefillFacts,
)

Rows = Callable[[str], Iterator[Any]]

_BALANCES = """
SELECT account, granted_credits, charged_credits, events, messages, grants, burned_credits, expired_credits,
    voided_credits, refunded_credits, owed_credits, billed_credits, held_credits, remaining_credits, sequence, mode,
    plan, next_plan, ends,
    if(plan = '', 0, toUnixTimestamp64Milli(assumeNotNull(period_start))),
    if(plan = '', 0, toUnixTimestamp64Milli(assumeNotNull(period_end))),
    if(plan = '', 0, overage_credits), open_bill, gate_closed, beyond_events, beyond_credits, leaked_events,
    leaked_credits, multiIf(refill_threshold_credits IS NULL, '', refill = '', 'idle', refill)
FROM {database:Identifier}.balances FINAL"""

_LOTS = """
SELECT account, lot, kind, priority, toUnixTimestamp64Milli(effective_at),
    if(expires_at IS NULL, 0, toUnixTimestamp64Milli(assumeNotNull(expires_at))),
    granted_credits, rolled_in_credits, spent_credits, expired_credits, voided_credits, rolled_out_credits,
    held_credits, repaid_credits, state = 'voided', payment
FROM {database:Identifier}.lots FINAL"""

_LEDGER = """
SELECT account, sequence, kind, lot, lot_credits, owed_credits, billed_credits, balance_credits,
    if(cause = 'clock', '', concat(source, '/', id)), rate_card, late,
    toUnixTimestamp64Micro(occurred_at), toUnixTimestamp64Milli(ingested_at)
FROM {database:Identifier}.ledger FINAL"""

_ALERTS = """
SELECT account, toUnixTimestamp64Milli(at), toString(alert), threshold, ifNull(level_credits, 0), on_set, delayed
FROM {database:Identifier}.alerts FINAL"""

_REFILLS = """
SELECT account, toUnixTimestamp64Milli(at), request, attempt, credits
FROM {database:Identifier}.refill_requests FINAL
ORDER BY account, number, attempt"""

_BILLS = """
SELECT account, toUnixTimestamp64Milli(period_end) AS ends, toUnixTimestamp64Milli(period_start), plan,
    toUnixTimestamp64Milli(line_period_start), price_minor, currency, credits, amount_minor
FROM {database:Identifier}.bills FINAL
ORDER BY account, ends, line"""


def read_ledger(rows: Rows, shown: Figures, *, entries: bool) -> None:
    """Adds it to what is shown; entries may be left out: there may be millions."""
    for account, *totals in rows(_BALANCES):
        shown.balances[account] = _totals(totals)
    for account, lot, *facts in rows(_LOTS):
        amounts = [_micros(each) for each in facts[4:12]]
        shown.lots[LotKey(account, lot)] = LotTotals._make([*facts[:4], *amounts, bool(facts[12]), facts[13]])
    for account, sequence, *facts in rows(_LEDGER) if entries else ():
        effects = [_micros(each) for each in facts[2:6]]
        shown.entries[EntryKey(account, sequence)] = EntryFacts(*facts[:2], *effects, *facts[6:])
    for account, at_ms, kind, threshold, level, *told in rows(_ALERTS):
        shown.alerts.setdefault(account, []).append(AlertFacts(at_ms, kind, threshold, _micros(level), *told))
    for account, at_ms, request, attempt, credits_ in rows(_REFILLS):
        asked = RefillFacts(at_ms, request, attempt, _micros(credits_))
        shown.refills.setdefault(account, []).append(asked)
    for alerts in shown.alerts.values():
        alerts.sort()
    for refills in shown.refills.values():
        refills.sort()
    for (account, ends_ms, starts_ms, plan), lines in groupby(rows(_BILLS), key=lambda row: tuple(row[:4])):
        shown.bills.setdefault(account, []).append(_bill(starts_ms, ends_ms, plan, list(lines)))


def _totals(row: list[Any]) -> BalanceTotals:
    """Decimals are credits; everything else is as it must be."""
    fields: dict[str, Any] = dict(zip(BalanceTotals._fields, row, strict=True))
    fields = {name: _micros(value) if isinstance(value, Decimal) else value for name, value in fields.items()}
    fields["bill"] = tuple(sorted(_open_line(line) for line in fields["bill"] if line[1]))
    return BalanceTotals(**fields)


def _open_line(line: tuple[str, Decimal, Decimal, str]) -> BillLine:
    day, credits_, price_minor, currency = line
    begins = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return BillLine(int(begins.timestamp()) * 1_000, _micros(price_minor), currency, _micros(credits_))


def _bill(starts_ms: int, ends_ms: int, plan: str, rows: list[Any]) -> BillFacts:
    lines = sorted(
        (BillLine(begins_ms, _micros(price), currency, _micros(credits_)), amount)
        for _, _, _, _, begins_ms, price, currency, credits_, amount in rows
    )
    return BillFacts(starts_ms, ends_ms, plan, tuple(line for line, _ in lines), tuple(amount for _, amount in lines))


def _micros(value: Decimal | int) -> int:
    return int(Decimal(value).scaleb(6))

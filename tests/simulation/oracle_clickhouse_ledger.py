"""Reads what ClickHouse shows of the ledger into the oracle's figures: accounts, lots, entries, and what was told."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
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

Rows = Callable[[str], Iterable[Any]]
_EPOCH = date(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)

# The columns are in the order of the figures' fields.
_BALANCES = """
SELECT account, open_bill, granted_credits, charged_credits, events, messages, grants,
    burned_credits, expired_credits, voided_credits, refunded_credits, owed_credits, billed_credits, held_credits,
    remaining_credits, sequence, mode, plan, next_plan, ends,
    if(plan = '', 0, ifNull(toUnixTimestamp64Milli(period_start), 0)),
    if(plan = '', 0, ifNull(toUnixTimestamp64Milli(period_end), 0)),
    if(plan = '', 0, overage_credits), 0, gate_closed,
    beyond_events, beyond_credits, leaked_events, leaked_credits,
    multiIf(isNull(refill_credits), '', refill = '', 'idle', refill)
FROM {database:Identifier}.balances FINAL"""

_LOTS = """
SELECT account, lot, kind, priority,
    toUnixTimestamp64Milli(effective_at), ifNull(toUnixTimestamp64Milli(expires_at), 0),
    granted_credits, rolled_in_credits, spent_credits, expired_credits, voided_credits, rolled_out_credits,
    held_credits, repaid_credits, state = 'voided', payment
FROM {database:Identifier}.lots FINAL"""

_ENTRIES = """
SELECT account, sequence, kind, lot, lot_credits, owed_credits, billed_credits, balance_credits,
    if(cause = 'clock', '', concat(source, '/', id)), rate_card, late,
    toUnixTimestamp64Micro(occurred_at), toUnixTimestamp64Milli(ingested_at)
FROM {database:Identifier}.ledger FINAL"""

_ALERTS = """
SELECT account, toUnixTimestamp64Milli(at), alert, threshold, ifNull(level_credits, 0), on_set, delayed
FROM {database:Identifier}.alerts FINAL"""

_REFILLS = """
SELECT account, toUnixTimestamp64Milli(at), request, attempt, credits
FROM {database:Identifier}.refill_requests FINAL"""

_BILLS = """
SELECT account, toUnixTimestamp64Milli(period_start), toUnixTimestamp64Milli(period_end), plan, amount_minor,
    toUnixTimestamp64Milli(line_period_start), price_minor, currency, credits
FROM {database:Identifier}.bills FINAL
ORDER BY account, period_end"""


def read_ledger(rows: Rows, shown: Figures, *, entries: bool) -> None:
    """Adds it to what is shown; without `entries` these are left out: there may be millions."""
    for account, bill, *row in rows(_BALANCES):
        lines = tuple(sorted(_line(*line) for line in bill if line[1]))
        shown.balances[account] = BalanceTotals._make(_in_micros(row))._replace(bill=lines)
    for account, lot, *row in rows(_LOTS):
        shown.lots[LotKey(account, lot)] = LotTotals._make(_in_micros(row))
    for account, sequence, *row in rows(_ENTRIES) if entries else ():
        shown.entries[EntryKey(account, sequence)] = EntryFacts._make(_in_micros(row))
    for account, *row in rows(_ALERTS):
        shown.alerts.setdefault(account, []).append(AlertFacts._make(_in_micros(row)))
    for account, *row in rows(_REFILLS):
        shown.refills.setdefault(account, []).append(RefillFacts._make(_in_micros(row)))
    for each in (shown.alerts, shown.refills):
        for facts in each.values():
            facts.sort()
    _read_bills(rows, shown)


def _read_bills(rows: Rows, shown: Figures) -> None:
    lines: defaultdict[tuple[str, int, int, str], list[tuple[BillLine, int]]] = defaultdict(list)
    for account, start, end, plan, amount, *line in rows(_BILLS):
        lines[account, start, end, plan].append((BillLine._make(_in_micros(line)), amount))
    for (account, start, end, plan), of_bill in lines.items():
        of_bill.sort()
        told = (tuple(line for line, _ in of_bill), tuple(amount for _, amount in of_bill))
        shown.bills.setdefault(account, []).append(BillFacts(start, end, plan, *told))


def _line(day: str, billed: Decimal, price: Decimal, currency: str) -> BillLine:
    days = date.fromisoformat(day) - _EPOCH
    return BillLine(days // _MILLISECOND, micros(price), currency, micros(billed))


def _in_micros(row: Iterable[Any]) -> list[Any]:
    return [micros(value) if isinstance(value, Decimal) else value for value in row]


def micros(value: Decimal) -> int:
    """Credits, quantities and prices in their millionths."""
    return int(value.scaleb(6))

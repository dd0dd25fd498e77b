"""Reads what ClickHouse shows of accounts, lots, entries and notices into the oracle's figures."""

from collections.abc import Callable, Iterator
from datetime import date
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

Rows = Callable[[str], Iterator[Any]]

_BALANCES = """
SELECT account, granted_credits, charged_credits, events, messages, grants, burned_credits, expired_credits,
    voided_credits, refunded_credits, owed_credits, billed_credits, held_credits, remaining_credits, sequence, mode,
    plan, next_plan, ends, toUnixTimestamp64Milli(period_start), toUnixTimestamp64Milli(period_end), overage_credits,
    open_bill, gate_closed, beyond_events, beyond_credits, leaked_events, leaked_credits, refill,
    isNotNull(refill_threshold_credits)
FROM {database:Identifier}.balances FINAL"""

_LOTS = """
SELECT account, lot, kind, priority, toUnixTimestamp64Milli(effective_at),
    ifNull(toUnixTimestamp64Milli(expires_at), 0), granted_credits, rolled_in_credits, spent_credits, expired_credits,
    voided_credits, rolled_out_credits, held_credits, repaid_credits, state = 'voided', payment
FROM {database:Identifier}.lots FINAL"""

_ENTRIES = """
SELECT account, sequence, kind, lot, lot_credits, owed_credits, billed_credits, balance_credits,
    if(cause = 'clock', '', concat(source, '/', id)), rate_card, late, toUnixTimestamp64Micro(occurred_at),
    toUnixTimestamp64Milli(ingested_at)
FROM {database:Identifier}.ledger FINAL"""

_ALERTS = """
SELECT account, toUnixTimestamp64Milli(at), alert, threshold, ifNull(level_credits, 0), on_set, delayed
FROM {database:Identifier}.alerts FINAL"""

_REFILLS = """
SELECT account, toUnixTimestamp64Milli(at), request, attempt, credits
FROM {database:Identifier}.refill_requests FINAL"""

_BILLS = """
SELECT account, toUnixTimestamp64Milli(period_start), toUnixTimestamp64Milli(period_end), plan,
    toUnixTimestamp64Milli(line_period_start), price_minor, currency, credits, amount_minor
FROM {database:Identifier}.bills FINAL
ORDER BY account, period_end, line_period_start, price_minor, currency"""

_EPOCH = date(1970, 1, 1)
_DAY_MS = 86_400_000


def read_ledger(rows: Rows, shown: Figures, *, entries: bool) -> None:
    """Everything of the ledger; without `entries` these are left out: there may be millions."""
    for account, *fields in rows(_BALANCES):
        shown.balances[account] = _totals(fields)
    for account, lot, kind, priority, starts_ms, ends_ms, *amounts, voided, payment in rows(_LOTS):
        granted, rolled_in, spent, expired, taken, rolled_out, held, repaid = map(_micros, amounts)
        totals = (granted, rolled_in, spent, expired, taken, rolled_out, held, repaid)
        shown.lots[LotKey(account, lot)] = LotTotals(kind, priority, starts_ms, ends_ms, *totals, bool(voided), payment)
    for account, sequence, kind, lot, *amounts, cause, card, late, occurred_us, ingested_ms in (
        rows(_ENTRIES) if entries else ()
    ):
        moved, owed, billed, balance = map(_micros, amounts)
        facts = EntryFacts(kind, lot, moved, owed, billed, balance, cause, card, bool(late), occurred_us, ingested_ms)
        shown.entries[EntryKey(account, sequence)] = facts
    _read_notices(rows, shown)


def _read_notices(rows: Rows, shown: Figures) -> None:
    for account, at_ms, kind, threshold, level, on_set, delayed in rows(_ALERTS):
        alert = AlertFacts(at_ms, kind, threshold, _micros(level), bool(on_set), bool(delayed))
        shown.alerts.setdefault(account, []).append(alert)
    for account, at_ms, request, attempt, credits_ in rows(_REFILLS):
        shown.refills.setdefault(account, []).append(RefillFacts(at_ms, request, attempt, _micros(credits_)))
    for account, start_ms, end_ms, plan, line_ms, price, currency, credits_, amount in rows(_BILLS):
        bills = shown.bills.setdefault(account, [])
        line = BillLine(line_ms, _micros(price), currency, _micros(credits_))
        if bills and bills[-1].period_end_ms == end_ms:
            before = bills.pop()
            bills.append(BillFacts(start_ms, end_ms, plan, (*before.lines, line), (*before.amounts_minor, amount)))
        else:
            bills.append(BillFacts(start_ms, end_ms, plan, (line,), (amount,)))
    for told in (shown.alerts, shown.refills):
        for facts in told.values():
            facts.sort()


def _totals(fields: list[Any]) -> BalanceTotals:
    granted, charged, events, messages, grants, *amounts = fields[:13]
    sequence, mode, plan, next_plan, ends, start_ms, end_ms, overage, bill = fields[13:22]
    closed, beyond_events, beyond, leaked_events, leaked, refill, asks = fields[22:]
    burned, expired, voided, refunded, owed, billed, held, remaining = map(_micros, amounts)
    lines = sorted(
        BillLine(_first_ms(day), _micros(price), currency, _micros(credits_))
        for day, credits_, price, currency in bill
        if credits_
    )
    return BalanceTotals(
        granted=_micros(granted),
        charged=_micros(charged),
        events=events,
        messages=messages,
        grants=grants,
        burned=burned,
        expired=expired,
        voided=voided,
        refunded=refunded,
        owed=owed,
        billed=billed,
        held=held,
        remaining=remaining,
        sequence=sequence,
        mode=mode,
        plan=plan,
        next_plan=next_plan,
        ends=ends,
        period_start_ms=start_ms if plan else 0,
        period_end_ms=end_ms if plan else 0,
        overage=_micros(overage) if plan else 0,
        bill=tuple(lines),
        gate_closed=closed,
        beyond_events=beyond_events,
        beyond_microcredits=_micros(beyond),
        leaked_events=leaked_events,
        leaked_microcredits=_micros(leaked),
        refill=(refill or "idle") if asks else "",
    )


def _first_ms(day: str) -> int:
    return (date.fromisoformat(day) - _EPOCH).days * _DAY_MS


def _micros(value: Decimal | int) -> int:
    return int(Decimal(value).scaleb(6))

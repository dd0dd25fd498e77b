"""The table of accounts: totals, plan, period and policy."""

from collections.abc import Callable
from decimal import Decimal
from typing import ClassVar

from schemas.account import AccountRow
from schemas.plan import Plan
from sinks.tables.table import Columns, Table, day, units

_CREDITS = "Decimal(38, 6)"
_TIME = "DateTime64(3, 'UTC')"
_NAME = "LowCardinality(String)"
_NO_PLAN = Plan("", 0, overage="refused", renews="by_clock")

_FIELDS: dict[str, tuple[str, Callable[[AccountRow], object]]] = {
    "account": ("String", lambda row: row.account),
    "granted_credits": (_CREDITS, lambda row: units(row.granted)),
    "charged_credits": (_CREDITS, lambda row: units(row.charged)),
    "events": ("UInt64", lambda row: row.events),
    "messages": ("UInt64", lambda row: row.messages),
    "grants": ("UInt64", lambda row: row.grants),
    "opened_at": (_TIME, lambda row: row.opened_at_ms),
    "updated_at": (_TIME, lambda row: row.updated_at_ms),
    "version": ("UInt64", lambda row: row.version),
    "sequence": ("UInt64", lambda row: row.sequence),
    "head": ("String", lambda row: row.head.hex()),
    "burned_credits": (_CREDITS, lambda row: units(row.burned)),
    "expired_credits": (_CREDITS, lambda row: units(row.expired)),
    "voided_credits": (_CREDITS, lambda row: units(row.voided)),
    "held_credits": (_CREDITS, lambda row: units(row.held)),
    "refunded_credits": (_CREDITS, lambda row: units(row.refunded)),
    "owed_credits": (_CREDITS, lambda row: units(row.owed)),
    "billed_credits": (_CREDITS, lambda row: units(row.billed)),
    "balance_credits": (_CREDITS, lambda row: units(row.balance)),
    "unstarted_credits": (_CREDITS, lambda row: units(row.unstarted)),
    "available_credits": (_CREDITS, lambda row: units(row.available)),
    "remaining_credits": (_CREDITS, lambda row: units(row.remaining)),
    "plan": (_NAME, lambda row: _plan(row).id),
    "included_credits": (_CREDITS, lambda row: units(_plan(row).included)),
    "overage": (_NAME, lambda row: _plan(row).overage),
    "overage_limit_credits": (f"Nullable({_CREDITS})", lambda row: _limit(_plan(row).overage_limit)),
    "overage_price_minor": (_CREDITS, lambda row: units(_plan(row).overage_price_micros)),
    "currency": (_NAME, lambda row: _plan(row).currency),
    "rate_card_line": (_NAME, lambda row: _plan(row).line),
    "renews": (_NAME, lambda row: _plan(row).renews),
    "next_plan": (_NAME, lambda row: "" if row.next_plan is None else row.next_plan.id),
    "ends": ("Bool", lambda row: row.ends),
    "period_start": (f"Nullable({_TIME})", lambda row: row.period_start_ms or None),
    "period_end": (f"Nullable({_TIME})", lambda row: row.period_end_ms or None),
    "overage_credits": (_CREDITS, lambda row: units(row.overage_used)),
    "open_bill": (f"Array(Tuple(String, {_CREDITS}, {_CREDITS}, String))", lambda row: _open_bill(row)),
    "mode": (_NAME, lambda row: row.policy.mode),
    "gate_closed": ("Bool", lambda row: row.gate_closed),
    "beyond_events": ("UInt64", lambda row: row.beyond_events),
    "beyond_credits": (_CREDITS, lambda row: units(row.beyond_microcredits)),
    "leaked_events": ("UInt64", lambda row: row.leaked_events),
    "leaked_credits": (_CREDITS, lambda row: units(row.leaked_microcredits)),
    "refill_threshold_credits": (
        f"Nullable({_CREDITS})",
        lambda row: None if row.policy.refill is None else units(row.policy.refill.threshold),
    ),
    "refill_credits": (
        f"Nullable({_CREDITS})",
        lambda row: None if row.policy.refill is None else units(row.policy.refill.amount),
    ),
    "refill": (_NAME, lambda row: "" if row.refill is None else row.refill.state),
    "refill_due_at": (f"Nullable({_TIME})", lambda row: None if row.refill is None else row.refill.due_at_ms or None),
    "refill_states": (
        "Map(UInt64, String)",
        lambda row: {} if row.refill is None else {each.number: each.state for each in row.refill.requests},
    ),
}


class BalancesTable(Table[AccountRow]):
    """The totals of an account and the terms it lives by; the key is the account."""

    name = "balances"
    columns: ClassVar[dict[str, str]] = {name: column_type for name, (column_type, _) in _FIELDS.items()}

    def columns_of(self, decoded: AccountRow) -> Columns:
        return [[value(decoded)] for _, value in _FIELDS.values()]


def _plan(row: AccountRow) -> Plan:
    return _NO_PLAN if row.plan is None else row.plan


def _limit(microcredits: int) -> Decimal | None:
    return None if microcredits < 0 else units(microcredits)


def _open_bill(row: AccountRow) -> list[tuple[str, Decimal, Decimal, str]]:
    """The lines of the bill that is not closed yet: the period's first day, credits, price and currency of each."""
    return [
        (day(line.period_start_ms), units(line.microcredits), units(line.price_micros), line.currency)
        for line in row.bill
    ]

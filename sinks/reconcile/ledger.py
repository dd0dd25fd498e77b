"""Compares the ledger's entries in ClickHouse with what accounts' rows say, and with what events were charged."""

from schemas.account import AccountRow
from schemas.credits import format_credits
from sinks.reconcile.drift import Difference, Drift, differing, told
from sinks.reconcile.plan import Span
from sinks.reconcile.shown import ClickHouseView, ShownEntries
from sinks.reconcile.totals import Compared, TableState

_COUNTS = ("entries", "sequence", "head")


def compare_ledger(table: TableState, shown: dict[str, ShownEntries], partition: int, drift: Drift) -> Compared:
    """Of every account: no entry is missing, they come to the row's totals, and these keep the first equations."""
    names = {name for name, row in table.rows.items() if row.sequence} | shown.keys()
    # A later row of the table may have removed the one that these entries belong to.
    changed = {name for name in names & table.newer if name not in table.rows}
    for account in sorted(names - changed):
        row, entries = table.rows.get(account), shown.get(account)
        must = {} if row is None else _said_by(row)
        is_ = {} if entries is None else _shown_by(entries)
        if must != is_:
            what = "missing" if not is_ else "unexpected" if not must else "differs"
            expected, found = differing(must, is_) if what == "differs" else (told(must), told(is_))
            drift.add(Difference("ledger", account, partition, what, expected or "no entry", found or "no entry"))
        if row is not None:
            for equation, left, right in _broken_equations(row):
                drift.add(Difference("ledger", account, partition, f"differs: {equation}", left, right))
    return Compared(len(names - changed), len(changed))


def compare_payments(view: ClickHouseView, usage: Span, partition: int, drift: Drift) -> None:
    """What every event cost was burned, is owed or is billed, to the microcredit."""
    for offset, account, cost, paid in view.unpaid(usage.since_ms, usage.compared, usage.end):
        must, is_ = told({"credits": format_credits(cost)}), told({"credits": format_credits(paid)})
        drift.add(Difference("ledger", account, partition, "differs: its cost", must, is_, usage.topic, offset))


def _said_by(row: AccountRow) -> dict[str, object]:
    return _fields(
        ShownEntries(
            row.sequence,
            row.sequence,
            row.head.hex(),
            row.balance,
            row.held,
            row.owed,
            row.billed,
            row.granted,
            row.burned,
            row.expired,
            row.voided,
            row.refunded,
            row.charged,
            0,
        )
    )


def _shown_by(entries: ShownEntries) -> dict[str, object]:
    return _fields(entries)


def _fields(entries: ShownEntries) -> dict[str, object]:
    said = {name: value for name, value in entries._asdict().items() if name != "repriced"}
    return {name: value if name in _COUNTS else format_credits(value) for name, value in said.items()}


def _broken_equations(row: AccountRow) -> list[tuple[str, str, str]]:
    equations = {
        "granted = burned + expired + voided + held": (row.granted, row.burned + row.expired + row.voided + row.held),
        "charged - refunded = burned + owed + billed": (row.charged - row.refunded, row.burned + row.owed + row.billed),
        "balance = held - owed": (row.balance, row.held - row.owed),
    }
    return [
        (equation, format_credits(left), format_credits(right))
        for equation, (left, right) in equations.items()
        if left != right
    ]

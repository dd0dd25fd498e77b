"""The table of lots: what grants made, and what became of it."""

from collections.abc import Callable
from typing import ClassVar

from msgspec.structs import replace

from schemas.account import AccountRow
from schemas.lot import NEVER_MS, Lot
from sinks.tables.table import Columns, Table, units

_CREDITS = "Decimal(38, 6)"
_TIME = "DateTime64(3, 'UTC')"
_NAME = "LowCardinality(String)"

_FIELDS: dict[str, tuple[str, Callable[[Lot], object]]] = {
    "account": ("String", lambda lot: lot.account),
    "lot": ("String", lambda lot: lot.id),
    "kind": (_NAME, lambda lot: lot.kind),
    "priority": ("UInt8", lambda lot: lot.priority),
    "effective_at": (_TIME, lambda lot: lot.effective_at_ms),
    "expires_at": (f"Nullable({_TIME})", lambda lot: None if lot.expires_at_ms == NEVER_MS else lot.expires_at_ms),
    "granted_credits": (_CREDITS, lambda lot: units(lot.granted)),
    "rolled_in_credits": (_CREDITS, lambda lot: units(lot.rolled_in)),
    "spent_credits": (_CREDITS, lambda lot: units(lot.spent)),
    "expired_credits": (_CREDITS, lambda lot: units(lot.expired)),
    "voided_credits": (_CREDITS, lambda lot: units(lot.voided)),
    "rolled_out_credits": (_CREDITS, lambda lot: units(lot.rolled_out)),
    "held_credits": (_CREDITS, lambda lot: units(lot.held)),
    "repaid_credits": (_CREDITS, lambda lot: units(lot.repaid)),
    "started": ("Bool", lambda lot: lot.started),
    "state": (_NAME, lambda lot: lot.state),
    "closed_at": (f"Nullable({_TIME})", lambda lot: lot.closed_at_ms or None),
    "rollover": ("String", lambda lot: lot.rollover),
    "origin": ("String", lambda lot: lot.origin),
    "paid_minor": ("UInt64", lambda lot: lot.paid_minor),
    "currency": (_NAME, lambda lot: lot.currency),
    "payment": ("String", lambda lot: lot.payment),
    "version": ("UInt64", lambda lot: lot.version),
}


class LotsTable(Table[Lot]):
    """A lot; the key is account and lot."""

    name = "lots"
    columns: ClassVar[dict[str, str]] = {name: column_type for name, (column_type, _) in _FIELDS.items()}

    def columns_of(self, decoded: Lot) -> Columns:
        return [[value(decoded)] for _, value in _FIELDS.values()]


class FirstLotsTable(Table[AccountRow]):
    """The same table's row of the lot that an account's charges burn, which the account's own row carries."""

    name = "lots"
    columns: ClassVar[dict[str, str]] = LotsTable.columns

    def columns_of(self, decoded: AccountRow) -> Columns:
        if decoded.first_lot is None:
            return [[] for _ in self.columns]
        # As new as the account's row, whatever the lot says of itself: charges change it with each of those.
        return LotsTable().columns_of(replace(decoded.first_lot, version=decoded.version))

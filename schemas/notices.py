"""What the ledger tells others: alerts, refill requests and closed bills. Amounts in microcredits, times in ms, UTC."""

from typing import Literal

from msgspec import Struct

from schemas.account import BillLine
from schemas.identifiers import Account
from schemas.plan import Mode

AlertKind = Literal[
    "threshold",
    "blocked",
    "unblocked",
    "would_block",
    "would_unblock",
    "refill_cap_reached",
    "refill_suspended",
    "refill_unknown",
]


class Alert(Struct, frozen=True, gc=False, tag="alert"):
    """Something that people want to know, once: its id never comes twice for one occasion.

    `threshold` is the level as it was set, such as `20%`, and `level` what it came to. `on_set` marks a threshold that
    was set when Remaining was below it, `delayed` an alert of a ledger that is more than 5 minutes behind.
    """

    id: str
    account: Account
    kind: AlertKind
    remaining: int
    mode: Mode
    at_ms: int
    threshold: str = ""
    level: int = 0
    on_set: bool = False
    delayed: bool = False
    detail: str = ""


class RefillRequest(Struct, frozen=True, gc=False, tag="refill_request"):
    """Asks the payment service for credits; the same id and amount again is the same request."""

    id: str
    account: Account
    number: int
    amount: int
    attempt: int
    remaining: int
    at_ms: int


class Bill(Struct, frozen=True, gc=False, tag="bill"):
    """The overage of a period that ended; it never changes. Lines of other periods correct those."""

    account: Account
    plan: str
    period_start_ms: int
    period_end_ms: int
    lines: tuple[BillLine, ...]
    amounts_minor: tuple[int, ...]


Notice = Alert | RefillRequest | Bill

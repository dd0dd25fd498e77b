"""A lot is what a grant makes: credits with a priority, a start and an end. One row each, absolute."""

from typing import Literal

from msgspec import Struct

from schemas.identifiers import Account, GrantId

NEVER_MS = 253_402_300_799_999
"""The end of a lot that has none: the last millisecond of the year 9999."""

LotKind = Literal["free", "plan", "rollover", "top_up", "refill", "promotional", "adjustment"]
LotState = Literal["open", "expired", "rolled", "voided"]

PRIORITIES: dict[LotKind, int] = {
    "plan": 10,
    "rollover": 10,
    "free": 20,
    "promotional": 20,
    "adjustment": 30,
    "top_up": 50,
    "refill": 50,
}
"""Lower burns first, where a grant does not say otherwise."""


def free_grant_name(account: str) -> GrantId:
    """The lot that usage brings to a new account, once ever."""
    return GrantId(f"free:{account}")


class Lot(Struct, array_like=True, gc=False):
    """Amounts in microcredits, times in milliseconds since 1970, UTC.

    granted + rolled_in = spent + expired + voided + rolled_out + held. `spent` is net of restores and includes
    `repaid`, what of it went to overage. A lot that holds nothing is closed since `closed_at_ms`; `state` says what
    ended it, `open` if it was merely spent. `rollover` names the lot that took its rest, into which `roll_room` more
    would have gone; `origin` is the same seen from there.
    """

    account: Account
    id: GrantId
    kind: LotKind
    priority: int
    effective_at_ms: int
    expires_at_ms: int = NEVER_MS
    granted: int = 0
    rolled_in: int = 0
    spent: int = 0
    expired: int = 0
    voided: int = 0
    rolled_out: int = 0
    held: int = 0
    repaid: int = 0
    started: bool = False
    state: LotState = "open"
    closed_at_ms: int = 0
    rollover: str = ""
    roll_room: int = 0
    origin: str = ""
    paid_minor: int = 0
    currency: str = ""
    payment: str = ""
    version: int = 0

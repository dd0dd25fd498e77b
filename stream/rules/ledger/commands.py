"""What an account may be told, as values: amounts in microcredits, times in milliseconds since 1970, UTC.

Identity, and what may be used once whatever the identity, were checked before: see `once`.
"""

from typing import Literal

from msgspec import Struct

from schemas.plan import Mode, Plan, RefillPolicy, Threshold

GrantKind = Literal["top_up", "promotional", "adjustment"]
Overage = Literal["keep", "waive"]
When = Literal["now", "period_end"]
Spent = Literal["owe", "keep"]


class Grant(Struct, frozen=True, gc=False):
    """Make a lot; `priority` and `effective_at_ms` default to those of its kind and now, `expires_at_ms` to never."""

    grant: str
    amount: int
    kind: GrantKind = "promotional"
    priority: int | None = None
    effective_at_ms: int | None = None
    expires_at_ms: int | None = None
    paid_minor: int = 0
    currency: str = ""
    payment: str = ""
    detail: str = ""


class VoidGrant(Struct, frozen=True, gc=False):
    """Take a lot and its rollovers back; `amount` takes only so much of what is unspent."""

    grant: str
    spent: Spent | None = None
    amount: int | None = None
    detail: str = ""


class Adjust(Struct, frozen=True, gc=False):
    """Give (above 0) or take (below 0) credits by hand: `detail` has reason and actor."""

    grant: str
    amount: int
    detail: str


class ActivatePlan(Struct, frozen=True, gc=False):
    """Begin a plan, on the day it is booked; what is owed is kept or waived."""

    plan: Plan
    overage: Overage


class ChangePlan(Struct, frozen=True, gc=False):
    """Other terms, at once or from the next period."""

    plan: Plan
    when: When


class CancelPlan(Struct, frozen=True, gc=False):
    """No plan any more, at once or from the period's end."""

    when: When


class RenewPlan(Struct, frozen=True, gc=False):
    """The payment for the period that starts then has come; for plans that renew on payment."""

    period_start_ms: int


class SetPolicy(Struct, frozen=True, gc=False):
    """Thresholds, refill, mode: None leaves a part as it is. From observe to enforce what is owed is kept or waived."""

    thresholds: tuple[Threshold, ...] | None = None
    refill: RefillPolicy | Literal["off"] | None = None
    mode: Mode | None = None
    overage: Overage | None = None


class RefillPaid(Struct, frozen=True, gc=False):
    """A refill request was paid; the lot it brings is named by the request."""

    request: str
    paid_minor: int = 0
    currency: str = ""
    payment: str = ""


class RefillDeclined(Struct, frozen=True, gc=False):
    """A refill request was not paid; `retry` says whether asking again makes sense."""

    request: str
    retry: bool = True


LedgerCommand = (
    Grant
    | VoidGrant
    | Adjust
    | ActivatePlan
    | ChangePlan
    | CancelPlan
    | RenewPlan
    | SetPolicy
    | RefillPaid
    | RefillDeclined
)

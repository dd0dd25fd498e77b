"""What the oracle books: priced usage and commands, as plain values. Amounts are microcredits, times are aware UTC."""

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Literal

CREDIT = 1_000_000
LARGEST_GRANT = 10**9 * CREDIT


@dataclass(frozen=True)
class EventName:
    """An event of the account, and where usage.events has it."""

    source: str
    id: str
    partition: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Usage:
    """An event that was accepted and priced."""

    event: EventName
    occurred_at: datetime
    cost: int
    rate_card: str = "v1"
    channel: str = "api"
    agent: str = "ada"
    node: str = "answer"


@dataclass(frozen=True)
class Rollover:
    """The rest of a period moves on, up to `cap`, for so many more period ends."""

    cap: int
    periods: int


@dataclass(frozen=True)
class Overage:
    """What happens to usage that no lot covers; `price` is that of a credit, in minor units of the plan's currency."""

    mode: Literal["refused", "carried", "billed"] = "refused"
    limit: int | None = None
    price: Fraction = Fraction(0)


@dataclass(frozen=True)
class Plan:
    """The terms, which hold until they are changed."""

    id: str
    included: int
    anchor_day: int = 1
    rollover: Rollover | None = None
    overage: Overage = Overage()
    renews: Literal["by_clock", "on_payment"] = "by_clock"
    fee_minor: int = 0
    currency: str = ""
    line: str = "default"


@dataclass(frozen=True)
class Payment:
    """Money that was received."""

    reference: str
    amount_minor: int = 0
    currency: str = "EUR"


@dataclass(frozen=True)
class LotTerms:
    """What a grant may say of its lot; None is the default."""

    priority: int | None = None
    effective_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Threshold:
    """A level of Remaining: `credits` in microcredits, or `percent` of the base."""

    credits: int | None = None
    percent: Fraction | None = None


@dataclass(frozen=True)
class RefillPolicy:
    """Ask for whole `amount`s once Remaining is below `threshold`; the caps are for a UTC month."""

    threshold: int
    amount: int
    most_credits: int | None = None
    most_requests: int | None = None


@dataclass(frozen=True)
class ActivatePlan:
    """A plan begins; what is owed is kept or waived."""

    plan: Plan
    overage: Literal["keep", "waive"]


@dataclass(frozen=True)
class ChangePlan:
    """Other terms, at once or from the period's end."""

    plan: Plan
    at: Literal["once", "period_end"]


@dataclass(frozen=True)
class CancelPlan:
    """No plan any more, at once or from the period's end."""

    at: Literal["once", "period_end"]


@dataclass(frozen=True)
class Renew:
    """The period that starts on this day is paid for."""

    period: date


@dataclass(frozen=True)
class Grant:
    """Credits given."""

    grant: str
    amount: int
    terms: LotTerms = LotTerms()


@dataclass(frozen=True)
class TopUp:
    """Credits bought."""

    grant: str
    amount: int
    payment: Payment
    terms: LotTerms = LotTerms()


@dataclass(frozen=True)
class VoidGrant:
    """A grant is taken back; an `amount` takes that much of what is unspent."""

    grant: str
    spent: Literal["owe", "keep"] | None = None
    amount: int | None = None


@dataclass(frozen=True)
class VoidEvent:
    """An event is refunded, whole or in part."""

    event: EventName
    amount: int | None = None


@dataclass(frozen=True)
class Adjust:
    """Credits put right by a person: added when above 0, else taken away."""

    adjustment: str
    amount: int
    reason: str
    actor: str


@dataclass(frozen=True)
class SetPolicy:
    """None leaves a part as it is; `refill` is "off" or a policy."""

    mode: Literal["observe", "enforce"] | None = None
    overage: Literal["keep", "waive"] | None = None
    thresholds: tuple[Threshold, ...] | None = None
    refill: RefillPolicy | Literal["off"] | None = None


@dataclass(frozen=True)
class RefillPaid:
    """A refill request was paid."""

    request: str
    payment: Payment


@dataclass(frozen=True)
class RefillDeclined:
    """A refill request was not paid; `retry` says whether asking again makes sense."""

    request: str
    retry: bool = True


@dataclass(frozen=True)
class Reprice:
    """An event's charge under another card; or why that card does not price it."""

    event: EventName
    rate_card: str
    cost: int
    unpriced: str = ""


Content = (
    ActivatePlan
    | ChangePlan
    | CancelPlan
    | Renew
    | Grant
    | TopUp
    | VoidGrant
    | VoidEvent
    | Adjust
    | SetPolicy
    | RefillPaid
    | RefillDeclined
    | Reprice
)


@dataclass(frozen=True)
class Command:
    """A decision about an account; (source, id) is its identity, `time` is when it was said.

    Its `reason` changes nothing, but is part of what it says.
    """

    source: str
    id: str
    time: datetime
    content: Content
    reason: str = ""


@dataclass(frozen=True)
class Record:
    """One record of an input, at its append time; `is_behind` says that the clock is over 5 minutes behind."""

    account: str
    ingested_at: datetime
    body: Usage | Command
    is_behind: bool = False

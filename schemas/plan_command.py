"""Commands about plans: the terms of a plan, and when they begin, change and end."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.payment import LARGEST_AMOUNT_MINOR

MOST_ROLLOVER_PERIODS = 24
LONGEST_PLAN = 64
LONGEST_LINE = 32
"""Characters: an account's row holds the plan that is and the one that comes."""

At = Literal["once", "period_end"]
Owed = Literal["keep", "waive"]


class Rollover(Struct, frozen=True, gc=False):
    """What is left of a period moves on, up to `cap_credits`, and expires after `periods` more period ends."""

    cap_credits: Decimal
    periods: Annotated[int, Meta(ge=1, le=MOST_ROLLOVER_PERIODS)] = 1


class Overage(Struct, frozen=True, gc=False, omit_defaults=True):
    """What becomes of usage that no credits cover.

    `refused` and `carried` are owed and repaid by the next credits; `refused` closes the gate. `billed` is paid in the
    plan's currency, `price_minor` minor units a credit (at most six decimals). Beyond `limit_credits` in a period it is
    refused.
    """

    mode: Literal["refused", "carried", "billed"] = "refused"
    price_minor: Decimal | None = None
    limit_credits: Decimal | None = None


class Plan(Struct, frozen=True, gc=False, omit_defaults=True):
    """The terms, which hold until they are changed.

    `included_credits` come with each period; periods begin on `anchor_day`, in short months on their last day.
    `fee_minor` is in the currency's minor unit. `renews` is `by_clock`, or `on_payment`: then a `renew` command brings
    a period's credits.
    """

    plan: Annotated[str, Meta(min_length=1, max_length=LONGEST_PLAN)]
    included_credits: Decimal
    anchor_day: Annotated[int, Meta(ge=1, le=31)] = 1
    rollover: Rollover | None = None
    overage: Overage = Overage()
    renews: Literal["by_clock", "on_payment"] = "by_clock"
    # The pattern alone would let a line break follow.
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)] | None = None
    fee_minor: Annotated[int, Meta(ge=0, le=LARGEST_AMOUNT_MINOR)] = 0
    rate_card_line: Annotated[str, Meta(min_length=1, max_length=LONGEST_LINE)] = "default"


class ActivatePlan(Struct, frozen=True, gc=False, tag_field="kind", tag="activate_plan"):
    """A plan begins today, its first period prorated by days; `overage` says what becomes of what is owed."""

    plan: Plan
    overage: Owed


class ChangePlan(Struct, frozen=True, gc=False, tag_field="kind", tag="change_plan"):
    """Other terms, at `once` or from the `period_end`; fewer included credits begin at the period's end."""

    plan: Plan
    at: At


class CancelPlan(Struct, frozen=True, gc=False, tag_field="kind", tag="cancel_plan"):
    """The plan ends, at `once` with what is left of its credits, or at the `period_end`."""

    at: At


class Renew(Struct, frozen=True, gc=False, tag_field="kind", tag="renew"):
    """The period that begins on this day (UTC) is paid for; once for each period of a plan that renews on payment."""

    period: date

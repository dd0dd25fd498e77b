"""Commands about what is told and asked: alerts, enforcement, auto-refill and the answers to its requests."""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.payment import Payment
from schemas.plan_command import Owed
from schemas.usage import LONGEST_NAME

MOST_THRESHOLDS = 8
MOST_REFILL_REQUESTS = 10_000


class Threshold(Struct, frozen=True, gc=False, omit_defaults=True):
    """A level of the remaining credits: `credits`, or whole `percent` of what was usable in the period; one of them."""

    credits: Decimal | None = None
    percent: Annotated[int, Meta(ge=1, le=100)] | None = None


class RefillPolicy(Struct, frozen=True, gc=False, omit_defaults=True):
    """Below `below_credits`, whole amounts of `credits` are asked for; the caps are for a UTC month."""

    below_credits: Decimal
    credits: Decimal
    most_credits: Decimal | None = None
    most_requests: Annotated[int, Meta(ge=1, le=MOST_REFILL_REQUESTS)] | None = None


class SetPolicy(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="set_policy"):
    """What is left out stays as it is; `thresholds` replaces all of them, `refill` is a policy or `off`.

    Whoever goes from `observe` to `enforce` says in `overage` what becomes of what is owed.
    """

    mode: Literal["observe", "enforce"] | None = None
    overage: Owed | None = None
    thresholds: Annotated[tuple[Threshold, ...], Meta(max_length=MOST_THRESHOLDS)] | None = None
    refill: RefillPolicy | Literal["off"] | None = None


class RefillPaid(Struct, frozen=True, gc=False, tag_field="kind", tag="refill_paid"):
    """The refill request of this id was paid: its credits are granted, once."""

    request: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    payment: Payment


class RefillDeclined(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="refill_declined"):
    """The refill request of this id was not paid; `retry` says whether it makes sense to ask again later."""

    request: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    retry: bool = True
    reason: Annotated[str, Meta(max_length=LONGEST_NAME)] = ""

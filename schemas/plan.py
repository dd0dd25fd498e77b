"""The terms an account lives by: its plan, and its policy of alerts, refills and mode."""

from typing import Literal

from msgspec import Struct

MOST_THRESHOLDS = 8
OveragePolicy = Literal["billed", "carried", "refused"]
Renewal = Literal["by_clock", "on_payment"]
Mode = Literal["observe", "enforce"]


class Plan(Struct, frozen=True, array_like=True, gc=False):
    """The terms that an activation carries; they hold until they are changed.

    `fee_minor` is in the currency's minor unit. `overage_price_micros` is what a credit of billed overage costs, in
    millionths of that minor unit. `overage_limit` is the overage a period may have, in microcredits; none is -1.
    Rollover moves up to `rollover_cap` microcredits, for `rollover_periods` more periods; a cap of 0 is none.
    """

    id: str
    included: int
    anchor_day: int = 1
    fee_minor: int = 0
    currency: str = ""
    rollover_cap: int = 0
    rollover_periods: int = 1
    overage: OveragePolicy = "refused"
    overage_price_micros: int = 0
    overage_limit: int = -1
    line: str = "default"
    renews: Renewal = "by_clock"


class Threshold(Struct, frozen=True, array_like=True, gc=False):
    """A level of Remaining: microcredits, or percent of the period's base when `percent` is above 0."""

    microcredits: int = 0
    percent: int = 0


class RefillPolicy(Struct, frozen=True, array_like=True, gc=False):
    """Below `threshold` ask for whole `amount`s; at most so many credits and requests a UTC month, -1 is no cap."""

    threshold: int
    amount: int
    monthly_cap: int = -1
    monthly_requests: int = -1


class Policy(Struct, frozen=True, array_like=True, gc=False):
    """Alert levels, auto-refill and mode of one account."""

    thresholds: tuple[Threshold, ...] = ()
    refill: RefillPolicy | None = None
    mode: Mode = "observe"

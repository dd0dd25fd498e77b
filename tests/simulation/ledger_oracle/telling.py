"""What an account's followers are told once a posting is done: levels of Remaining, and the gate."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Literal

from tests.simulation.ledger_oracle.posting import Rejected
from tests.simulation.ledger_oracle.records import SetPolicy, Threshold
from tests.simulation.ledger_oracle.state import Account
from tests.simulation.ledger_oracle.watched import Level

AlertKind = Literal[
    "threshold",
    "blocked",
    "would_block",
    "unblocked",
    "would_unblock",
    "refill_cap_reached",
    "refill_suspended",
    "refill_unknown",
]
MOST_THRESHOLDS = 8


@dataclass(frozen=True)
class Alert:
    """`level` is in microcredits; `arming` makes an alert of a threshold unique in its account."""

    account: str
    kind: AlertKind
    at: datetime
    is_delayed: bool = False
    level: Fraction | None = None
    threshold: Threshold | None = None
    arming: int | None = None
    on_set: bool = False


def set_thresholds(account: Account, thresholds: tuple[Threshold, ...]) -> None:
    """At 0 is always told; a threshold that stays keeps its state."""
    if len(thresholds) > MOST_THRESHOLDS:
        raise Rejected("invalid_field")
    kept = {level.threshold: level for level in account.levels}
    levels = []
    for threshold in dict.fromkeys([Threshold(credits=0), *thresholds]):
        if threshold not in kept:
            account.armings += 1
            kept[threshold] = Level(threshold, account.armings, is_new=True)
        levels.append(kept[threshold])
    account.levels = levels


def tell_thresholds(account: Account, now: datetime, before: int, *, is_delayed: bool) -> list[Alert]:
    """Levels that Remaining fell to or through, highest first; those set above it are told once."""
    after = account.remaining
    alerts = []
    for level in account.levels:
        at = level_of(level.threshold, account.base)
        if level.has_fired and (before > at or after > at):
            account.armings += 1
            level.has_fired, level.arming = False, account.armings
        was_above = before > at or level.is_new
        if not level.has_fired and was_above and after <= at:
            level.has_fired = True
            alerts.append(
                Alert(account.name, "threshold", now, is_delayed, at, level.threshold, level.arming, level.is_new)
            )
        level.is_new = False
    return sorted(alerts, key=lambda alert: alert.level or Fraction(0), reverse=True)


def level_of(threshold: Threshold, base: int) -> Fraction:
    """Its credits, or its share of what was usable."""
    if threshold.percent is not None:
        return base * threshold.percent / 100
    assert threshold.credits is not None
    return Fraction(threshold.credits)


def tell_gate(account: Account, now: datetime, mode_before: str, *, is_delayed: bool) -> list[Alert]:
    """Closed when overage is refused, or its limit is reached, and nothing remains."""
    overage = account.overage()
    is_refused = overage.mode == "refused" or (overage.limit is not None and account.overage_in_period >= overage.limit)
    was_closed, account.is_gate_closed = account.is_gate_closed, is_refused and account.remaining <= 0
    is_closed = account.is_gate_closed
    kinds: list[AlertKind] = []
    if mode_before == "enforce" and account.mode == "observe":
        kinds = ["unblocked"] if was_closed else []
    elif mode_before == "observe" and account.mode == "enforce":
        kinds = ["blocked"] if is_closed else []
    elif is_closed != was_closed:
        closing: AlertKind = "blocked" if account.mode == "enforce" else "would_block"
        opening: AlertKind = "unblocked" if account.mode == "enforce" else "would_unblock"
        kinds = [closing if is_closed else opening]
    return [Alert(account.name, kind, now, is_delayed) for kind in kinds]


def count_leak(account: Account, cost: int) -> None:
    """Usage that came while the gate was closed already; the event that closed it is none."""
    if account.is_gate_closed:
        leak = account.leaked if account.mode == "enforce" else account.would_have_leaked
        leak.events += 1
        leak.credits += cost


def check_mode(account: Account, command: SetPolicy) -> None:
    """Who begins to enforce says what becomes of what is owed."""
    if account.mode == "observe" and command.mode == "enforce" and command.overage is None:
        raise Rejected("missing_field")

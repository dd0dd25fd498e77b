"""Alerts at levels of Remaining, once each until it was above them again; and the gate."""

import hashlib

from schemas.account import AccountRow, Alarm
from schemas.notices import Alert, AlertKind
from schemas.plan import Policy, Threshold
from stream.rules.ledger.charge import overage_room
from stream.rules.ledger.posting import Posting

ZERO = Threshold()
"""Every account has this one, before those of its policy."""


def thresholds_of(policy: Policy) -> tuple[Threshold, ...]:
    """Every threshold that is watched, in the order of the row's alarms."""
    return (ZERO, *policy.thresholds)


def level_of(threshold: Threshold, base: int) -> int:
    """The Remaining at or below which a threshold fires."""
    return base * threshold.percent // 100 if threshold.percent else threshold.microcredits


def watch(posting: Posting) -> None:
    """After a posting: fire what it crossed downwards, highest first; arm what it crossed upwards."""
    row = posting.row
    before, after = posting.remaining_before, row.remaining
    watched = thresholds_of(row.policy)
    if not row.alarms:
        row.alarms = tuple(Alarm() for _ in watched)
    fired = []
    for threshold, alarm in zip(watched, row.alarms, strict=True):
        level = level_of(threshold, row.base)
        if max(before, after) > level:
            # Also one that had fired at another base, and is above the new level: that is what re-arms it.
            _arm(row, alarm)
        if after <= level and alarm.armed:
            alarm.armed = False
            if before > level:
                fired.append((level, threshold, alarm))
    for level, threshold, alarm in sorted(fired, key=lambda each: -each[0]):
        _tell(posting, threshold, alarm, level)


def set_thresholds(posting: Posting, policy: Policy) -> None:
    """Watch these from now on: those that stay keep their state, a new one that is already crossed fires once."""
    row = posting.row
    kept = dict(zip(thresholds_of(row.policy), row.alarms, strict=False))
    row.policy = policy
    alarms, fired = [], []
    for threshold in thresholds_of(policy):
        alarm = kept.get(threshold) or Alarm()
        alarms.append(alarm)
        level = level_of(threshold, row.base)
        if threshold in kept or threshold == ZERO:
            continue
        _arm(row, alarm)
        if row.remaining <= level:
            alarm.armed = False
            fired.append((level, threshold, alarm))
    row.alarms = tuple(alarms)
    for level, threshold, alarm in sorted(fired, key=lambda each: -each[0]):
        _tell(posting, threshold, alarm, level, on_set=True)


def highest_armed(row: AccountRow) -> int | None:
    """The level that would fire next: every lower one is reached after it. None when none is armed."""
    levels = [
        level_of(threshold, row.base)
        for threshold, alarm in zip(thresholds_of(row.policy), row.alarms, strict=False)
        if alarm.armed
    ]
    return max(levels, default=None)


def move_gate(posting: Posting, mode_before: str) -> None:
    """The gate is closed when overage is refused, or its limit reached, and nothing remains."""
    row = posting.row
    closes = row.remaining <= 0 and overage_room(posting) == 0
    enforces = row.policy.mode == "enforce"
    if closes != row.gate_closed:
        row.gate_closed = closes
        if enforces:
            _tell_gate(posting, "blocked" if closes else "unblocked")
        else:
            _tell_gate(posting, "would_block" if closes else "would_unblock")
    elif closes and row.policy.mode != mode_before:
        _tell_gate(posting, "blocked" if enforces else "unblocked")


def name_of(threshold: Threshold) -> str:
    """A threshold as it was set: `20%`, or microcredits."""
    return f"{threshold.percent}%" if threshold.percent else str(threshold.microcredits)


def alert_id(account: str, what: str, number: int) -> str:
    """The same for the same occasion, however often it is computed: of the account, the threshold, its arming."""
    return hashlib.sha256(f"{account}\0{what}\0{number}".encode()).hexdigest()[:32]


def _arm(row: AccountRow, alarm: Alarm) -> None:
    if not alarm.armed:
        alarm.armed = True
        # Counted in the account, so that a threshold which is removed and set again gets other ids.
        row.armings += 1
        alarm.number = row.armings


def _tell(posting: Posting, threshold: Threshold, alarm: Alarm, level: int, *, on_set: bool = False) -> None:
    row, name = posting.row, name_of(threshold)
    posting.notices.append(
        Alert(
            alert_id(row.account, name, alarm.number),
            row.account,
            "threshold",
            row.remaining,
            row.policy.mode,
            posting.now_ms,
            name,
            level,
            on_set,
            not posting.caught_up,
        )
    )


def _tell_gate(posting: Posting, kind: AlertKind) -> None:
    row = posting.row
    row.gate_number += 1
    identity = alert_id(row.account, "gate", row.gate_number)
    posting.notices.append(
        Alert(
            identity,
            row.account,
            kind,
            row.remaining,
            row.policy.mode,
            posting.now_ms,
            delayed=not posting.caught_up,
        )
    )

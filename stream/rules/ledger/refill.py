"""Auto-refill: idle → requested → paid → idle | declined → waiting → idle | suspended.

A request asks for the fewest whole amounts that lift Remaining to the threshold. At most one is in flight.
"""

import uuid

from schemas.account import AccountRow, Refill, RefillRequested
from schemas.lot import NEVER_MS
from schemas.notices import Alert, AlertKind, RefillRequest
from schemas.plan import RefillPolicy
from stream.rules.ledger.periods import month_number, month_of
from stream.rules.ledger.posting import Posting
from stream.rules.ledger.thresholds import alert_id

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
FIRST_REPEAT_MS = 15 * MINUTE_MS
LONGEST_REPEAT_MS = HOUR_MS
FIRST_WAIT_MS = HOUR_MS
LONGEST_WAIT_MS = 24 * HOUR_MS
MOST_DECLINES = 4
MOST_REQUESTS = 8
"""Requests that are remembered: the newest. An older one that is paid after all is unknown."""
_NAMESPACE = uuid.UUID("5f0c4a55-8a0c-5d0a-9a8e-2f6b0c1d7e11")


def request_id(account: str, number: int) -> str:
    """A request's id: the same however often it is asked."""
    return str(uuid.uuid5(_NAMESPACE, f"{account}\0{number}"))


def step(posting: Posting) -> None:
    """After a posting, and when the clock says so: repeat, wait no longer, or ask. Only once caught up."""
    row, now_ms = posting.row, posting.now_ms
    policy = row.policy.refill
    if policy is None or not posting.caught_up:
        return
    if row.refill is None:
        row.refill = Refill()
    refill = row.refill
    if refill.state == "waiting" and refill.due_at_ms <= now_ms:
        refill.state = "idle"
    if refill.state == "requested" and refill.due_at_ms <= now_ms:
        _repeat(posting, refill)
    elif refill.state == "idle":
        _ask_if_low(posting, policy, refill)


def due_at(row: AccountRow) -> int:
    """When the clock must look at the refill again, though nothing is posted."""
    refill = row.refill
    if refill is None or row.policy.refill is None:
        return NEVER_MS
    if refill.state in ("requested", "waiting"):
        return refill.due_at_ms
    return refill.due_at_ms if refill.state == "idle" and refill.cap_told else NEVER_MS


def level_of(row: AccountRow) -> int | None:
    """The Remaining below which the next posting would ask; None while none would."""
    refill, policy = row.refill, row.policy.refill
    if policy is None or (refill is not None and (refill.state != "idle" or refill.cap_told)):
        return None
    return policy.threshold


def find(row: AccountRow, identity: str) -> RefillRequested | None:
    """The request of that id, if it is remembered."""
    requests = row.refill.requests if row.refill else []
    return next((each for each in requests if request_id(row.account, each.number) == identity), None)


def paid(posting: Posting, request: RefillRequested) -> None:
    """The money came, be it after a decline or a switch-off; the lot is the caller's to grant."""
    refill = posting.row.refill
    assert refill is not None  # noqa: S101  it has the request
    request.state = "paid"
    _turn_month(refill, posting.now_ms)
    refill.month_amount += request.amount
    refill.month_requests += 1
    if refill.number == request.number or refill.state == "suspended":
        _settle_down(refill)


def declined(posting: Posting, request: RefillRequested, *, retry: bool) -> None:
    """No money: wait an hour, doubling to a day; after four in a row, or when told not to, ask no more."""
    refill = posting.row.refill
    assert refill is not None  # noqa: S101  it has the request
    request.state = "declined"
    refill.declines += 1
    if retry and refill.declines < MOST_DECLINES:
        refill.state = "waiting"
        wait_ms = min(FIRST_WAIT_MS << (refill.declines - 1), LONGEST_WAIT_MS)
        refill.due_at_ms = posting.now_ms + wait_ms
    else:
        refill.state = "suspended"
        refill.due_at_ms = 0
        _alert(posting, "refill_suspended")


def bought(row: AccountRow) -> None:
    """A paid purchase ends a suspension; who waits after a decline goes on waiting."""
    if row.refill is not None and row.refill.state == "suspended":
        _settle_down(row.refill)


def policy_changed(row: AccountRow) -> None:
    """New terms: a cap that was reached is told again, a suspension ends; who waits after a decline goes on waiting."""
    if row.refill is not None:
        row.refill.cap_told = False
        if row.policy.refill is not None and row.refill.state == "suspended":
            _settle_down(row.refill)


def unknown(row: AccountRow, identity: str, now_ms: int) -> Alert:
    """Somebody was paid, or not, for what this account never asked: people should know."""
    told = alert_id(row.account, f"refill_unknown:{identity}", 0)
    return Alert(told, row.account, "refill_unknown", row.remaining, row.policy.mode, now_ms, detail=identity)


def _ask_if_low(posting: Posting, policy: RefillPolicy, refill: Refill) -> None:
    row = posting.row
    missing = policy.threshold - row.remaining
    if missing > 0 or refill.cap_told:
        # Only then: a simple charge, which asks for nothing, leaves the refill as it is.
        _turn_month(refill, posting.now_ms)
    if missing <= 0:
        return
    count = -(-missing // policy.amount)
    if policy.monthly_cap >= 0:
        count = min(count, (policy.monthly_cap - refill.month_amount) // policy.amount)
    if count < 1 or 0 <= policy.monthly_requests <= refill.month_requests:
        if not refill.cap_told:
            refill.cap_told = True
            _alert(posting, "refill_cap_reached")
        refill.due_at_ms = month_of(posting.now_ms)[1]
        return
    refill.number += 1
    refill.attempts = 0
    refill.state = "requested"
    refill.requests.append(RefillRequested(refill.number, count * policy.amount, posting.now_ms))
    del refill.requests[:-MOST_REQUESTS]
    _repeat(posting, refill)


def _repeat(posting: Posting, refill: Refill) -> None:
    row, request = posting.row, refill.requests[-1]
    refill.due_at_ms = posting.now_ms + min(FIRST_REPEAT_MS << min(refill.attempts, 8), LONGEST_REPEAT_MS)
    refill.attempts += 1
    posting.notices.append(
        RefillRequest(
            request_id(row.account, request.number),
            row.account,
            request.number,
            request.amount,
            refill.attempts,
            row.remaining,
            posting.now_ms,
        )
    )


def _settle_down(refill: Refill) -> None:
    refill.state = "idle"
    refill.declines = 0
    refill.due_at_ms = 0


def _turn_month(refill: Refill, now_ms: int) -> None:
    month = month_number(now_ms)
    if refill.month != month:
        refill.month, refill.month_amount, refill.month_requests = month, 0, 0
        refill.cap_told = False


def _alert(posting: Posting, kind: AlertKind) -> None:
    row = posting.row
    row.armings += 1
    told = alert_id(row.account, kind, row.armings)
    late = not posting.caught_up
    posting.notices.append(Alert(told, row.account, kind, row.remaining, row.policy.mode, posting.now_ms, delayed=late))

"""Auto-refill: idle → requested → paid → idle, or declined → waiting → idle, or suspended."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from uuid import UUID, uuid5

from tests.simulation.ledger_oracle.burning import repay
from tests.simulation.ledger_oracle.periods import next_month
from tests.simulation.ledger_oracle.posting import Posting, Rejected
from tests.simulation.ledger_oracle.records import LARGEST_GRANT, RefillDeclined, RefillPaid, RefillPolicy
from tests.simulation.ledger_oracle.state import Account
from tests.simulation.ledger_oracle.telling import Alert
from tests.simulation.ledger_oracle.watched import RefillRequest

_FIRST_RETRY, _LONGEST_RETRY = timedelta(minutes=15), timedelta(hours=1)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(hours=1), timedelta(hours=24)
_MOST_DECLINES = 4
_MOST_KNOWN = 8
_REQUESTS = UUID("5f0c4a55-8a0c-5d0a-9a8e-2f6b0c1d7e11")


@dataclass(frozen=True)
class Asked:
    """A refill request as it is published; asked again it has the same id and amount."""

    account: str
    id: str
    amount: int
    at: datetime
    attempt: int = 1


def evaluate_refill(account: Account, now: datetime) -> tuple[list[Asked], list[Alert]]:
    """Below its threshold an idle account asks for the fewest whole amounts that reach it, within the caps."""
    refill = account.refill
    policy = refill.policy
    if policy is None or refill.state != "idle" or account.remaining >= policy.threshold:
        return [], []
    missing = policy.threshold - account.remaining
    times = min(ceil(Fraction(missing, policy.amount)), _times_within_caps(account, now))
    if times < 1:
        if refill.capped_until is not None:
            return [], []
        refill.capped_until = next_month(now)
        return [], [Alert(account.name, "refill_cap_reached", now)]
    number = len(refill.requests) + 1
    id_ = str(uuid5(_REQUESTS, f"{account.name}\0{number}"))
    refill.requests.append(RefillRequest(id_, times * policy.amount, now, now + _FIRST_RETRY, _FIRST_RETRY))
    refill.state = "requested"
    return [Asked(account.name, id_, times * policy.amount, now)], []


def _times_within_caps(account: Account, now: datetime) -> int:
    """What was paid in this UTC month counts."""
    policy = account.refill.policy
    assert policy is not None
    paid = [(request, request.paid_at) for request in account.refill.requests if request.paid_at is not None]
    # Nothing is in flight, or nobody would ask.
    counted = [request for request, at in paid if (at.year, at.month) == (now.year, now.month)]
    times = LARGEST_GRANT // policy.amount
    if policy.most_requests is not None and len(counted) >= policy.most_requests:
        return 0
    if policy.most_credits is not None:
        times = min(times, (policy.most_credits - sum(request.amount for request in counted)) // policy.amount)
    return times


def next_refill_timer(account: Account) -> datetime | None:
    """When to ask again, to stop waiting, or to look at the caps again."""
    refill = account.refill
    due = [each for each in (refill.wait_until, refill.capped_until) if each is not None]
    if refill.state == "requested" and refill.policy is not None:
        due.append(refill.requests[-1].next_ask_at)
    return min(due, default=None)


def fire_refill_timers(account: Account, now: datetime) -> list[Asked]:
    """What is due is done; the evaluation after the posting sees the new state."""
    refill = account.refill
    if refill.capped_until is not None and refill.capped_until <= now:
        refill.capped_until = None
    if refill.wait_until is not None and refill.wait_until <= now:
        refill.wait_until, refill.state = None, "idle"
    if refill.state != "requested" or refill.policy is None or refill.requests[-1].next_ask_at > now:
        return []
    request = refill.requests[-1]
    request.retry_after = min(_LONGEST_RETRY, 2 * request.retry_after)
    request.next_ask_at = now + request.retry_after
    request.attempts += 1
    return [Asked(account.name, request.id, request.amount, now, request.attempts)]


def pay(posting: Posting, command: RefillPaid) -> None:
    """A grant once for each id, even after a decline or with refills switched off."""
    refill = posting.account.refill
    request = _request(posting.account, command.request)
    if request.state == "paid":
        raise Rejected("refill_answered")
    request.state, request.paid_at = "paid", posting.now
    refill.declines = 0
    if request is refill.requests[-1] or refill.state == "suspended":
        refill.state, refill.wait_until = "idle", None
    posting.open_lot("refill", request.amount, id=f"refill:{request.id}", payment=command.payment)
    repay(posting)


def decline(posting: Posting, command: RefillDeclined) -> None:
    """Wait an hour, doubling to a day; the fourth in a row, or one not to be tried again, suspends."""
    refill = posting.account.refill
    request = _request(posting.account, command.request)
    if request.state != "open":
        raise Rejected("refill_answered")
    request.state = "declined"
    refill.declines += 1
    if not command.retry or refill.declines >= _MOST_DECLINES:
        refill.state = "suspended"
        return
    refill.state = "waiting"
    refill.wait_until = posting.now + min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (refill.declines - 1))


def set_refill_policy(account: Account, policy: RefillPolicy | str) -> None:
    """A new policy ends a suspension; switched off, what is in flight may still be paid."""
    refill = account.refill
    refill.policy = policy if isinstance(policy, RefillPolicy) else None
    refill.capped_until = None
    if refill.policy is not None:
        end_suspension(account)


def end_suspension(account: Account) -> None:
    """After a paid purchase or with a new policy."""
    if account.refill.state == "suspended":
        account.refill.state, account.refill.declines = "idle", 0


def _request(account: Account, id_: str) -> RefillRequest:
    for request in account.refill.requests[-_MOST_KNOWN:]:
        if request.id == id_:
            return request
    raise Rejected("unknown_refill")

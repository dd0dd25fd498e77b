"""Which rule carries out which command."""

from collections.abc import Callable
from typing import Any

from schemas.dead_letter import Reason
from schemas.plan import MOST_THRESHOLDS, Policy
from stream.rules.ledger import refill
from stream.rules.ledger.commands import (
    ActivatePlan,
    Adjust,
    CancelPlan,
    ChangePlan,
    Grant,
    LedgerCommand,
    RefillDeclined,
    RefillPaid,
    RenewPlan,
    SetPolicy,
    VoidGrant,
)
from stream.rules.ledger.lots import adjust, grant, new_lot, void_grant
from stream.rules.ledger.plans import activate, cancel, change, renew_on_payment, waive
from stream.rules.ledger.posting import Posting
from stream.rules.ledger.thresholds import ZERO, set_thresholds
from stream.rules.outcome import Reject

LARGEST_PERCENT = 100


def apply_command(posting: Posting, command: LedgerCommand) -> Reject | None:
    """Carry a command out, or say why not; then nothing has changed."""
    return _RULES[type(command)](posting, command)


def _grant(posting: Posting, command: Grant) -> Reject | None:
    refused = grant(posting, command)
    if refused is None and command.payment:
        refill.bought(posting.row)
    return refused


def _set_policy(posting: Posting, command: SetPolicy) -> Reject | None:
    row, before = posting.row, posting.row.policy
    policy = Policy(
        before.thresholds if command.thresholds is None else command.thresholds,
        before.refill if command.refill is None else None if command.refill == "off" else command.refill,
        before.mode if command.mode is None else command.mode,
    )
    problem = _policy_problem(policy)
    if problem:
        return Reject(Reason.INVALID_TERMS, problem, row.account)
    enforces = before.mode == "observe" and policy.mode == "enforce"
    if enforces and command.overage is None:
        return Reject(Reason.MISSING_FIELD, "overage: say whether what is owed is kept or waived", row.account)
    if enforces and command.overage == "waive":
        waive(posting)
    set_thresholds(posting, policy)
    if command.refill is not None:
        refill.policy_changed(row)
    return None


def _policy_problem(policy: Policy) -> str:
    if len(policy.thresholds) > MOST_THRESHOLDS:
        return f"{len(policy.thresholds)} thresholds are more than {MOST_THRESHOLDS}"
    if len(set(policy.thresholds)) < len(policy.thresholds):
        return "a threshold is there twice"
    if ZERO in policy.thresholds:
        return "a threshold at 0 is always there"
    if not all(0 <= each.percent <= LARGEST_PERCENT for each in policy.thresholds):
        return "a threshold's percent is not 1 to 100"
    if policy.refill is not None and policy.refill.amount <= 0:
        return "a refill's amount is not above 0"
    return ""


def _refill_paid(posting: Posting, command: RefillPaid) -> Reject | None:
    row = posting.row
    request = refill.find(row, command.request)
    if request is None:
        posting.notices.append(refill.unknown(row, command.request, posting.now_ms))
        return Reject(Reason.UNKNOWN_REFILL, f"the account never asked for {command.request!r}", row.account)
    if request.state == "paid":
        return Reject(Reason.REFILL_ANSWERED, f"the request {command.request!r} was paid before", row.account)
    refill.paid(posting, request)
    lot = new_lot(posting, "refill", f"refill:{command.request}", request.amount)
    lot.paid_minor, lot.currency, lot.payment = command.paid_minor, command.currency, command.payment
    return None


def _refill_declined(posting: Posting, command: RefillDeclined) -> Reject | None:
    row = posting.row
    request = refill.find(row, command.request)
    if request is None:
        posting.notices.append(refill.unknown(row, command.request, posting.now_ms))
        return Reject(Reason.UNKNOWN_REFILL, f"the account never asked for {command.request!r}", row.account)
    if request.state != "open":
        return Reject(Reason.REFILL_ANSWERED, f"the request {command.request!r} was {request.state}", row.account)
    refill.declined(posting, request, retry=command.retry)
    return None


_RULES: dict[type, Callable[[Posting, Any], Reject | None]] = {
    Grant: _grant,
    VoidGrant: void_grant,
    Adjust: adjust,
    ActivatePlan: activate,
    ChangePlan: change,
    CancelPlan: cancel,
    RenewPlan: renew_on_payment,
    SetPolicy: _set_policy,
    RefillPaid: _refill_paid,
    RefillDeclined: _refill_declined,
}

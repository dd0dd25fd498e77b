"""Commands in the ledger's words: amounts in microcredits, times in milliseconds since 1970, UTC."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TypeAlias

from schemas import command, plan_command, policy_command
from schemas.correction_command import Adjust, Reprice, VoidEvent, VoidGrant
from schemas.credits import parse_credits, parse_micros
from schemas.plan import Plan, RefillPolicy, Threshold
from stream.rules.ledger import commands as ledger
from stream.rules.usage import microseconds

NONE = -1
"""No limit, no cap."""
_WHEN: dict[plan_command.At, ledger.When] = {"once": "now", "period_end": "period_end"}

AccountCommand: TypeAlias = (
    command.Grant
    | command.TopUp
    | VoidGrant
    | Adjust
    | plan_command.ActivatePlan
    | plan_command.ChangePlan
    | plan_command.CancelPlan
    | plan_command.Renew
    | policy_command.SetPolicy
    | policy_command.RefillPaid
    | policy_command.RefillDeclined
)
"""What is said to an account; the others (`void_event`, `reprice`) are about one event, which must be read back."""
EventCommand: TypeAlias = VoidEvent | Reprice


def ledger_command(data: AccountCommand) -> ledger.LedgerCommand:
    """The same command as the ledger takes it; the data were checked before."""
    match data:
        case command.Grant() | command.TopUp():
            return _grant(data)
        case VoidGrant():
            amount = None if data.credits is None else parse_credits(data.credits)
            return ledger.VoidGrant(data.grant, data.spent, amount, data.reason)
        case Adjust():
            return ledger.Adjust(data.adjustment, parse_credits(data.credits), f"{data.reason}, by {data.actor}")
        case policy_command.SetPolicy():
            return _policy(data)
        case policy_command.RefillPaid():
            payment = data.payment
            return ledger.RefillPaid(data.request, payment.amount_minor, payment.currency, payment.reference)
        case policy_command.RefillDeclined():
            return ledger.RefillDeclined(data.request, data.retry)
        case _:
            return _about_plan(data)


def _about_plan(
    data: plan_command.ActivatePlan | plan_command.ChangePlan | plan_command.CancelPlan | plan_command.Renew,
) -> ledger.LedgerCommand:
    match data:
        case plan_command.ActivatePlan():
            return ledger.ActivatePlan(_plan(data.plan), data.overage)
        case plan_command.ChangePlan():
            return ledger.ChangePlan(_plan(data.plan), _WHEN[data.at])
        case plan_command.CancelPlan():
            return ledger.CancelPlan(_WHEN[data.at])
        case plan_command.Renew():
            return ledger.RenewPlan(_midnight_ms(data.period))


def _grant(data: command.Grant | command.TopUp) -> ledger.Grant:
    amount, kind = parse_credits(data.credits), _kind_of(data)
    terms = (data.priority, _milliseconds(data.effective_at), _milliseconds(data.expires_at))
    if isinstance(data, command.Grant):
        return ledger.Grant(data.grant, amount, kind, *terms, detail=data.reason)
    payment = data.payment
    paid = (payment.amount_minor, payment.currency, payment.reference)
    return ledger.Grant(data.grant, amount, kind, *terms, *paid)


def _kind_of(data: command.Grant | command.TopUp) -> ledger.GrantKind:
    return "promotional" if isinstance(data, command.Grant) else "top_up"


def _plan(plan: plan_command.Plan) -> Plan:
    rollover, overage = plan.rollover, plan.overage
    return Plan(
        id=plan.plan,
        included=parse_credits(plan.included_credits),
        anchor_day=plan.anchor_day,
        fee_minor=plan.fee_minor,
        currency=plan.currency or "",
        rollover_cap=0 if rollover is None else parse_credits(rollover.cap_credits),
        rollover_periods=1 if rollover is None else rollover.periods,
        overage=overage.mode,
        overage_price_micros=0 if overage.price_minor is None else parse_micros(overage.price_minor),
        overage_limit=_limit(overage.limit_credits),
        line=plan.rate_card_line,
        renews=plan.renews,
    )


def _policy(data: policy_command.SetPolicy) -> ledger.SetPolicy:
    thresholds, refill = data.thresholds, data.refill
    return ledger.SetPolicy(
        None if thresholds is None else tuple(map(_threshold, thresholds)),
        _refill(refill) if isinstance(refill, policy_command.RefillPolicy) else refill,
        data.mode,
        data.overage,
    )


def _threshold(threshold: policy_command.Threshold) -> Threshold:
    if threshold.credits is not None:
        return Threshold(parse_credits(threshold.credits))
    return Threshold(percent=threshold.percent or 0)


def _refill(policy: policy_command.RefillPolicy) -> RefillPolicy:
    return RefillPolicy(
        parse_credits(policy.below_credits),
        parse_credits(policy.credits),
        _limit(policy.most_credits),
        NONE if policy.most_requests is None else policy.most_requests,
    )


def _limit(amount: Decimal | None) -> int:
    return NONE if amount is None else parse_credits(amount)


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment) // 1_000


def _midnight_ms(day: date) -> int:
    return microseconds(datetime.combine(day, time(), UTC)) // 1_000

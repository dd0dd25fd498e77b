"""A command as a billing system would send it: CloudEvents JSON."""

import json
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.simulation.ledger_oracle.records import (
    CREDIT,
    ActivatePlan,
    Adjust,
    CancelPlan,
    ChangePlan,
    Command,
    Content,
    EventName,
    Grant,
    LotTerms,
    Payment,
    Plan,
    RefillDeclined,
    RefillPaid,
    RefillPolicy,
    Renew,
    Reprice,
    SetPolicy,
    Threshold,
    TopUp,
    VoidEvent,
    VoidGrant,
)

Object = dict[str, Any]


def write_command(account: str, command: Command) -> bytes:
    """The value of its record; the key is the account."""
    envelope = {
        "specversion": "1.0",
        "type": "creditstream.command",
        "source": command.source,
        "id": command.id,
        "subject": account,
        "time": command.time.isoformat(),
        "data": _without_nothing(_data(command.content)),
    }
    return json.dumps(envelope).encode()


def _data(content: Content) -> Object:
    match content:
        case Grant() | TopUp() | VoidGrant() | Adjust():
            return _of_credits(content)
        case VoidEvent():
            return {"kind": "void_event", "event": _event(content.event), "credits": _credits(content.amount)}
        case Reprice():
            return {"kind": "reprice", "event": _event(content.event), "rate_card": content.rate_card}
        case ActivatePlan():
            return {"kind": "activate_plan", "plan": _plan(content.plan), "overage": content.overage}
        case ChangePlan():
            return {"kind": "change_plan", "plan": _plan(content.plan), "at": content.at}
        case CancelPlan():
            return {"kind": "cancel_plan", "at": content.at}
        case Renew():
            return {"kind": "renew", "period": content.period.isoformat()}
        case SetPolicy():
            return _policy(content)
        case RefillPaid():
            return {"kind": "refill_paid", "request": content.request, "payment": _payment(content.payment)}
        case RefillDeclined():
            return {"kind": "refill_declined", "request": content.request, "retry": content.retry}


def _of_credits(content: Grant | TopUp | VoidGrant | Adjust) -> Object:
    match content:
        case Grant():
            given = {"kind": "grant", "grant": content.grant, "credits": _credits(content.amount)}
            return {**given, **_terms(content.terms)}
        case TopUp():
            given = {"kind": "top_up", "grant": content.grant, "credits": _credits(content.amount)}
            return {**given, "payment": _payment(content.payment), **_terms(content.terms)}
        case VoidGrant():
            taken = {"kind": "void_grant", "grant": content.grant, "spent": content.spent}
            return {**taken, "credits": _credits(content.amount)}
        case Adjust():
            said = {"reason": content.reason, "actor": content.actor}
            return {"kind": "adjust", "adjustment": content.adjustment, "credits": _credits(content.amount), **said}


def _policy(content: SetPolicy) -> Object:
    thresholds = None if content.thresholds is None else [_threshold(each) for each in content.thresholds]
    refill = _refill(content.refill) if isinstance(content.refill, RefillPolicy) else content.refill
    policy = {"kind": "set_policy", "mode": content.mode, "overage": content.overage}
    return {**policy, "thresholds": thresholds, "refill": refill}


def _threshold(threshold: Threshold) -> Object:
    percent = None if threshold.percent is None else int(threshold.percent)
    return _without_nothing({"credits": _credits(threshold.credits), "percent": percent})


def _refill(policy: RefillPolicy) -> Object:
    return _without_nothing(
        {
            "below_credits": _credits(policy.threshold),
            "credits": _credits(policy.amount),
            "most_credits": _credits(policy.most_credits),
            "most_requests": policy.most_requests,
        }
    )


def _plan(plan: Plan) -> Object:
    rollover = plan.rollover and {"cap_credits": _credits(plan.rollover.cap), "periods": plan.rollover.periods}
    overage = {"mode": plan.overage.mode, "limit_credits": _credits(plan.overage.limit)}
    if plan.overage.mode == "billed":
        overage["price_minor"] = _decimal(plan.overage.price)
    return _without_nothing(
        {
            "plan": plan.id,
            "included_credits": _credits(plan.included),
            "anchor_day": plan.anchor_day,
            "rollover": rollover,
            "overage": _without_nothing(overage),
            "renews": plan.renews,
            "currency": plan.currency or None,
            "fee_minor": plan.fee_minor,
            "rate_card_line": plan.line,
        }
    )


def _event(event: EventName) -> Object:
    return dict(vars(event))


def _payment(payment: Payment) -> Object:
    return dict(vars(payment))


def _terms(terms: LotTerms) -> Object:
    return {
        "priority": terms.priority,
        "effective_at": _time(terms.effective_at),
        "expires_at": _time(terms.expires_at),
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _decimal(number: Fraction) -> str:
    return str(Decimal(number.numerator) / Decimal(number.denominator))


def _credits(amount: int | None) -> str | None:
    """Microcredits as decimal text of credits."""
    if amount is None:
        return None
    sign, (whole, rest) = "-" if amount < 0 else "", divmod(abs(amount), CREDIT)
    return f"{sign}{whole}.{rest:06d}"


def _without_nothing(fields: Object) -> Object:
    return {name: value for name, value in fields.items() if value is not None}

"""Commands as they are on the wire, for the oracle: JSON that its schema lets through, read without the schemas."""

import json
from datetime import UTC, date, datetime, timedelta
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
    Overage,
    Payment,
    Plan,
    RefillDeclined,
    RefillPaid,
    RefillPolicy,
    Renew,
    Reprice,
    Rollover,
    SetPolicy,
    Threshold,
    TopUp,
    VoidEvent,
    VoidGrant,
)
from tests.simulation.oracle_numbers import instant_us

Object = dict[str, Any]
_LONGEST_WHOLE = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_command(value: bytes, *, repriced_cost: int | None = None) -> tuple[str, Command]:
    """The account, and the command; a reprice needs to be told what the event costs by its card."""
    document = json.loads(value, parse_float=str, parse_int=_whole)
    content = _content(document["data"], repriced_cost)
    data = document["data"]
    reason = "" if isinstance(content, Adjust) else data.get("reason", "")
    command = Command(document["source"], document["id"], _moment(document["time"]), content, reason)
    return document["subject"], command


def _content(data: Object, repriced_cost: int | None) -> Content:
    match data["kind"]:
        case "grant" | "top_up" | "void_grant" | "adjust":
            return _of_credits(data)
        case "void_event":
            return VoidEvent(_event(data["event"]), _credits(data.get("credits")))
        case "reprice":
            assert repriced_cost is not None
            return Reprice(_event(data["event"]), data["rate_card"], repriced_cost)
        case "activate_plan":
            return ActivatePlan(_plan(data["plan"]), data["overage"])
        case "change_plan":
            return ChangePlan(_plan(data["plan"]), data["at"])
        case "cancel_plan":
            return CancelPlan(data["at"])
        case "renew":
            return Renew(date.fromisoformat(data["period"]))
        case "set_policy":
            return _policy(data)
        case "refill_paid":
            return RefillPaid(data["request"], _payment(data["payment"]))
        case "refill_declined":
            return RefillDeclined(data["request"], data.get("retry", True))
        case kind:
            raise ValueError(f"{kind!r} is no kind of command")


def _of_credits(data: Object) -> Content:
    amount = _credits(data.get("credits"))
    if data["kind"] == "void_grant":
        return VoidGrant(data["grant"], data.get("spent"), amount)
    assert amount is not None
    if data["kind"] == "grant":
        return Grant(data["grant"], amount, _terms(data))
    if data["kind"] == "top_up":
        return TopUp(data["grant"], amount, _payment(data["payment"]), _terms(data))
    return Adjust(data["adjustment"], amount, data["reason"], data["actor"])


def _policy(data: Object) -> SetPolicy:
    thresholds, refill = data.get("thresholds"), data.get("refill")
    return SetPolicy(
        mode=data.get("mode"),
        overage=data.get("overage"),
        thresholds=None if thresholds is None else tuple(_threshold(each) for each in thresholds),
        refill=_refill(refill) if isinstance(refill, dict) else refill,
    )


def _threshold(data: Object) -> Threshold:
    percent = data.get("percent")
    return Threshold(_credits(data.get("credits")), None if percent is None else Fraction(percent))


def _refill(data: Object) -> RefillPolicy:
    below, amount = _credits(data["below_credits"]), _credits(data["credits"])
    assert below is not None
    assert amount is not None
    return RefillPolicy(below, amount, _credits(data.get("most_credits")), data.get("most_requests"))


def _plan(data: Object) -> Plan:
    included, rollover, overage = _credits(data["included_credits"]), data.get("rollover"), data.get("overage", {})
    assert included is not None
    return Plan(
        id=data["plan"],
        included=included,
        anchor_day=data.get("anchor_day", 1),
        rollover=_rollover(rollover) if rollover else None,
        overage=Overage(
            overage.get("mode", "refused"),
            _credits(overage.get("limit_credits")),
            _number(overage.get("price_minor") or 0),
        ),
        renews=data.get("renews", "by_clock"),
        fee_minor=data.get("fee_minor", 0),
        currency=data.get("currency") or "",
        line=data.get("rate_card_line", "default"),
    )


def _rollover(data: Object) -> Rollover:
    cap = _credits(data["cap_credits"])
    assert cap is not None
    return Rollover(cap, data.get("periods", 1))


def _terms(data: Object) -> LotTerms:
    return LotTerms(data.get("priority"), _time(data.get("effective_at")), _time(data.get("expires_at")))


def _time(text: str | None) -> datetime | None:
    """To the millisecond, as lots begin and end."""
    if text is None:
        return None
    time = _moment(text)
    return time.replace(microsecond=time.microsecond // 1_000 * 1_000)


def _moment(text: str) -> datetime:
    microseconds = instant_us(text)
    assert microseconds is not None
    # In its own zone a moment may be of the years 1 or 9999, and of no year in UTC.
    since = max(timedelta(microseconds=microseconds), datetime.min.replace(tzinfo=UTC) - _EPOCH)
    return _EPOCH + min(since, datetime.max.replace(tzinfo=UTC) - _EPOCH)


def _whole(text: str) -> int | str:
    """Fields that the schema does not know may have as many digits as they like."""
    return int(text) if len(text) <= _LONGEST_WHOLE else text


def _number(text: str | int) -> Fraction:
    """Zero may be written with an exponent that takes all memory to write out."""
    number = Decimal(text)
    return Fraction(number) if number else Fraction(0)


def _payment(data: Object) -> Payment:
    return Payment(data["reference"], data["amount_minor"], data["currency"])


def _event(data: Object) -> EventName:
    return EventName(data["source"], data["id"], data["partition"], data["offset"])


def _credits(text: str | int | None) -> int | None:
    """Microcredits; the schema lets no finer amount through."""
    if text is None:
        return None
    amount = _number(text) * CREDIT
    assert amount.denominator == 1
    return int(amount)

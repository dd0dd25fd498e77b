"""Which commands can be carried out, field by field: written from docs/commands.md, without the published structs.

What is missing or no value of its field comes first, then amounts that are none, then amounts out of bounds, then terms
that cannot be kept.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from schemas.dead_letter import Reason
from tests.simulation.oracle_json import Number, Object
from tests.simulation.oracle_numbers import instant_us, micros

LARGEST = 10**9
"""Credits of an amount, minor units of a price."""
_YEAR_2300_US = (date(2300, 1, 1) - date(1970, 1, 1)).days * 86_400_000_000
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

Check = Callable[[object], Iterator[Reason]]


class Field(NamedTuple):
    """What a field holds, and whether it must be there."""

    check: Check
    is_required: bool = True


Fields = dict[str, Field]


def problems(data: Object) -> Iterator[Reason]:
    """Why a command is refused for its data; the first reason is given."""
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        yield Reason.INVALID_FIELD
        return
    found = list(_object(data, KINDS[kind]))
    yield from (reason for reason in found if reason is not Reason.INVALID_AMOUNT)
    yield from found
    yield from _amounts(kind, data)
    yield from _terms(kind, data)


def _object(value: object, fields: Fields) -> Iterator[Reason]:
    if not isinstance(value, dict):
        yield Reason.INVALID_FIELD
        return
    if any(field.is_required and value.get(name) in (None, "") for name, field in fields.items()):
        yield Reason.MISSING_FIELD
    for name, field in fields.items():
        if name in value:
            yield from field.check(value[name])


def _text(least: int, most: int) -> Check:
    def check(value: object) -> Iterator[Reason]:
        if not isinstance(value, str) or not least <= len(value) <= most:
            yield Reason.INVALID_FIELD

    return check


def _matching(pattern: str) -> Check:
    def check(value: object) -> Iterator[Reason]:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            yield Reason.INVALID_FIELD

    return check


def _whole(least: int, most: int) -> Check:
    def check(value: object) -> Iterator[Reason]:
        if not isinstance(value, Number) or not _WHOLE.fullmatch(value.text) or not least <= int(value.text) <= most:
            yield Reason.INVALID_FIELD

    return check


def _amount(value: object) -> Iterator[Reason]:
    text = value.text if isinstance(value, Number) else value
    if not isinstance(text, str):
        yield Reason.INVALID_AMOUNT
        return
    try:
        Decimal(text)
    except InvalidOperation:
        yield Reason.INVALID_AMOUNT


def _flag(value: object) -> Iterator[Reason]:
    if not isinstance(value, bool):
        yield Reason.INVALID_FIELD


def _moment(value: object) -> Iterator[Reason]:
    if not isinstance(value, str):
        yield Reason.INVALID_FIELD
    elif instant_us(value) is None:
        yield Reason.INVALID_TIME


def _day(value: object) -> Iterator[Reason]:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        yield Reason.INVALID_FIELD
        return
    try:
        date.fromisoformat(value)
    except ValueError:
        yield Reason.INVALID_FIELD


def _thresholds(value: object) -> Iterator[Reason]:
    if not isinstance(value, list) or len(value) > 8:
        yield Reason.INVALID_FIELD
        return
    for each in value:
        yield from _object(each, {"credits": _none_or(_amount), "percent": _none_or(_whole(1, 100))})


def _refill(value: object) -> Iterator[Reason]:
    if isinstance(value, dict):
        yield from _object(value, _REFILL)
    elif value != "off":
        yield Reason.INVALID_FIELD


def _of(fields: Fields) -> Check:
    return lambda value: _object(value, fields)


def _none_or(check: Check) -> Field:
    return Field(lambda value: iter(()) if value is None else check(value), is_required=False)


def _optional(check: Check) -> Field:
    return Field(check, is_required=False)


_NAME = Field(_text(1, 256))
_REASON = _optional(_text(0, 256))
_MONEY = _whole(0, 10**15)
_CURRENCY = _matching("[A-Z]{3}")
_KEEP_OR_WAIVE = _matching("keep|waive")
_AT = Field(_matching("once|period_end"))
_PAYMENT = Field(_of({"reference": _NAME, "amount_minor": Field(_MONEY), "currency": Field(_CURRENCY)}))
_EVENT = Field(
    _of({"source": _NAME, "id": _NAME, "partition": Field(_whole(0, 2**31 - 1)), "offset": Field(_whole(0, 2**63 - 1))})
)
_LOT = {"priority": _none_or(_whole(0, 100)), "effective_at": _none_or(_moment), "expires_at": _none_or(_moment)}
_ROLLOVER = {"cap_credits": Field(_amount), "periods": _optional(_whole(1, 24))}
_OVERAGE = {
    "mode": _optional(_matching("refused|carried|billed")),
    "price_minor": _none_or(_amount),
    "limit_credits": _none_or(_amount),
}
_PLAN = Field(
    _of(
        {
            "plan": Field(_text(1, 64)),
            "included_credits": Field(_amount),
            "anchor_day": _optional(_whole(1, 31)),
            "rollover": _none_or(_of(_ROLLOVER)),
            "overage": _optional(_of(_OVERAGE)),
            "renews": _optional(_matching("by_clock|on_payment")),
            "currency": _none_or(_CURRENCY),
            "fee_minor": _optional(_MONEY),
            "rate_card_line": _optional(_text(1, 32)),
        }
    )
)
_REFILL = {
    "below_credits": Field(_amount),
    "credits": Field(_amount),
    "most_credits": _none_or(_amount),
    "most_requests": _none_or(_whole(1, 10_000)),
}
KINDS: dict[str, Fields] = {
    "grant": {"grant": _NAME, "credits": Field(_amount), "reason": _REASON, **_LOT},
    "top_up": {"grant": _NAME, "credits": Field(_amount), "payment": _PAYMENT, **_LOT},
    "void_grant": {
        "grant": _NAME,
        "spent": _none_or(_matching("keep|owe")),
        "credits": _none_or(_amount),
        "reason": _REASON,
    },
    "void_event": {"event": _EVENT, "credits": _none_or(_amount), "reason": _REASON},
    "adjust": {"adjustment": _NAME, "credits": Field(_amount), "reason": _NAME, "actor": _NAME},
    "reprice": {"event": _EVENT, "rate_card": _NAME},
    "activate_plan": {"plan": _PLAN, "overage": Field(_KEEP_OR_WAIVE)},
    "change_plan": {"plan": _PLAN, "at": _AT},
    "cancel_plan": {"at": _AT},
    "renew": {"period": Field(_day)},
    "set_policy": {
        "mode": _none_or(_matching("observe|enforce")),
        "overage": _none_or(_KEEP_OR_WAIVE),
        "thresholds": _none_or(_thresholds),
        "refill": _none_or(_refill),
    },
    "refill_paid": {"request": _NAME, "payment": _PAYMENT},
    "refill_declined": {"request": _NAME, "retry": _optional(_flag), "reason": _REASON},
}


_PLAN_AMOUNTS = ("plan.included_credits", "plan.rollover.cap_credits", "plan.overage.limit_credits")
_REFILL_AMOUNTS = ("refill.below_credits", "refill.credits", "refill.most_credits")
AMOUNTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("grant", "top_up", "void_grant", "void_event", "adjust"), ("credits",)),
    **dict.fromkeys(("activate_plan", "change_plan"), (*_PLAN_AMOUNTS, "plan.overage.price_minor")),
    "set_policy": ("thresholds.credits", *_REFILL_AMOUNTS),
}


def _amounts(kind: str, data: Object) -> Iterator[Reason]:
    """Amounts are above 0, at most 10⁹, of at most six decimals; a plan may include none, an adjustment take away."""
    for place in AMOUNTS.get(kind, ()):
        for value in _at(data, place.split(".")):
            number = _decimal(value)
            if kind == "adjust":
                number = number.copy_abs()
            is_nothing = not number.is_nan() and not number
            if not (is_nothing and place == "plan.included_credits") and micros(str(number), largest=LARGEST) is None:
                yield Reason.INVALID_AMOUNT


def _at(value: object, path: list[str]) -> Iterator[object]:
    """What is there, if anything is; of a list, what is there in each."""
    if isinstance(value, list):
        for each in value:
            yield from _at(each, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _terms(kind: str, data: Object) -> Iterator[Reason]:
    match kind:
        case "grant" | "top_up":
            fits = _lot_fits(data)
        case "void_grant":
            fits = data.get("credits") is None or data.get("spent") != "owe"
        case "activate_plan" | "change_plan":
            plan = data["plan"]
            fits = isinstance(plan, dict) and _plan_fits(plan)
        case "set_policy":
            fits = _policy_fits(data)
        case _:
            return
    if not fits:
        yield Reason.INVALID_TERMS


def _lot_fits(data: Object) -> bool:
    begins, ends = (instant_us(str(data[name])) if data.get(name) else None for name in ("effective_at", "expires_at"))
    is_far = any(each is not None and not 0 <= each < _YEAR_2300_US for each in (begins, ends))
    return not is_far and (begins is None or ends is None or begins < ends)


def _plan_fits(plan: Object) -> bool:
    overage = plan.get("overage")
    terms: Object = overage if isinstance(overage, dict) else {}
    mode = terms.get("mode", "refused")
    fee = plan.get("fee_minor")
    has_fee = isinstance(fee, Number) and int(fee.text) > 0
    has_currency = plan.get("currency") is not None or not (has_fee or mode == "billed")
    has_price = (terms.get("price_minor") is not None) == (mode == "billed")
    return has_currency and has_price and (terms.get("limit_credits") is None or mode != "refused")


def _policy_fits(data: Object) -> bool:
    thresholds, refill = data.get("thresholds"), data.get("refill")
    said = [data.get(name) is not None for name in ("mode", "overage", "thresholds", "refill")]
    if not any(said) or (data.get("overage") is not None and data.get("mode") != "enforce"):
        return False
    levels = [_level(each) for each in thresholds] if isinstance(thresholds, list) else []
    if None in levels or len(set(levels)) < len(levels):
        return False
    if isinstance(refill, dict) and refill.get("most_credits") is not None:
        return _decimal(refill["most_credits"]) >= _decimal(refill["credits"])
    return True


def _level(threshold: object) -> tuple[str, Decimal] | None:
    """One of the two that a threshold may say."""
    fields: Object = threshold if isinstance(threshold, dict) else {}
    given = [(name, _decimal(fields[name])) for name in ("credits", "percent") if fields.get(name) is not None]
    return given[0] if len(given) == 1 else None


def _decimal(value: object) -> Decimal:
    return Decimal(value.text if isinstance(value, Number) else str(value))

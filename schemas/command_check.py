"""What a command must keep beyond its shape, said by field, before it is sent or carried out."""

from collections.abc import Iterator
from decimal import Decimal

from schemas.command import LARGEST_GRANT_CREDITS, Command, Grant, TopUp
from schemas.correction_command import Adjust, VoidEvent, VoidGrant
from schemas.credits import MICROCREDITS_PER_CREDIT, parse_credits, parse_micros
from schemas.plan_command import ActivatePlan, ChangePlan, Overage, Plan
from schemas.policy_command import RefillPolicy, SetPolicy, Threshold

LARGEST_PRICE_MINOR = 10**9
PRICE_DECIMALS = 12
MOST_DIGITS = 60


def problems(command: Command) -> list[str]:
    """Every reason not to send it, each naming the field and what is allowed; empty when there is none."""
    match command.data:
        case Grant() | TopUp() as data:
            return [*_amount("credits", data.credits)]
        case VoidGrant() as data:
            return [*_of_void_grant(data)]
        case VoidEvent() as data:
            return [] if data.credits is None else [*_amount("credits", data.credits)]
        case Adjust() as data:
            return [*_amount("credits", data.credits.copy_abs())]
        case ActivatePlan() | ChangePlan() as data:
            return [*_of_plan(data.plan)]
        case SetPolicy() as data:
            return [*_of_policy(data)]
        case _:
            return []


def _amount(field: str, amount: Decimal, *, least: int = 1) -> Iterator[str]:
    try:
        microcredits = parse_credits(amount)
    except ValueError as error:
        yield f"{field}: {error}"
        return
    if not least <= microcredits <= LARGEST_GRANT_CREDITS * MICROCREDITS_PER_CREDIT:
        yield f"{field} is {_shown(amount)}: give {'0.000001' if least else '0'} to {LARGEST_GRANT_CREDITS}"


def _of_void_grant(data: VoidGrant) -> Iterator[str]:
    if data.credits is None:
        return
    yield from _amount("credits", data.credits)
    if data.spent == "owe":
        yield "spent is owe: with credits only what is unspent is taken back, so leave one of them out"


def _of_plan(plan: Plan) -> Iterator[str]:
    yield from _amount("plan.included_credits", plan.included_credits, least=0)
    if plan.rollover is not None:
        yield from _amount("plan.rollover.cap_credits", plan.rollover.cap_credits)
    yield from _of_overage(plan.overage)
    if plan.currency is None and (plan.fee_minor or plan.overage.mode == "billed"):
        yield "plan.currency is missing: a fee and billed overage are paid in one"


def _of_overage(overage: Overage) -> Iterator[str]:
    if overage.limit_credits is not None:
        yield from _amount("plan.overage.limit_credits", overage.limit_credits)
        if overage.mode == "refused":
            yield "plan.overage.limit_credits is for overage that is carried or billed: refused overage has none"
    if (overage.mode == "billed") != (overage.price_minor is not None):
        yield "plan.overage.price_minor is the price of billed overage: give both or none"
    elif overage.price_minor is not None:
        yield from _price("plan.overage.price_minor", overage.price_minor)


def _price(field: str, price: Decimal) -> Iterator[str]:
    if not price.is_finite() or not 0 < price <= LARGEST_PRICE_MINOR:
        yield f"{field} is {_shown(price)}: give a price above 0, at most {LARGEST_PRICE_MINOR}"
    elif len(price.as_tuple().digits) > MOST_DIGITS or price.normalize().as_tuple().exponent < -PRICE_DECIMALS:  # type: ignore[operator]
        yield f"{field} is {_shown(price)}: give at most {PRICE_DECIMALS} decimals"


def _of_policy(data: SetPolicy) -> Iterator[str]:
    if data == SetPolicy():
        yield "nothing is set: give mode, thresholds or refill"
    if data.overage is not None and data.mode != "enforce":
        yield "overage says what becomes of what is owed when enforcement begins: give it with mode enforce alone"
    for number, threshold in enumerate(data.thresholds or (), start=1):
        yield from _of_threshold(f"thresholds[{number}]", threshold)
    if isinstance(data.refill, RefillPolicy):
        yield from _of_refill(data.refill)


def _of_threshold(field: str, threshold: Threshold) -> Iterator[str]:
    if (threshold.credits is None) == (threshold.percent is None):
        yield f"{field}: give credits or percent, one of them"
    elif threshold.credits is not None:
        yield from _amount(f"{field}.credits", threshold.credits, least=0)
    elif threshold.percent is not None:
        yield from _percent(f"{field}.percent", threshold.percent)


def _percent(field: str, percent: Decimal) -> Iterator[str]:
    try:
        is_within = 0 < parse_micros(percent) <= 100 * MICROCREDITS_PER_CREDIT
    except ValueError:
        is_within = False
    if not is_within:
        yield f"{field} is {_shown(percent)}: give a number above 0, at most 100, of at most six decimals"


def _of_refill(policy: RefillPolicy) -> Iterator[str]:
    yield from _amount("refill.below_credits", policy.below_credits)
    wrong = [*_amount("refill.credits", policy.credits)]
    if policy.most_credits is None:
        yield from wrong
        return
    wrong += _amount("refill.most_credits", policy.most_credits)
    yield from wrong
    if not wrong and policy.most_credits < policy.credits:
        yield "refill.most_credits is below refill.credits: nothing would ever be asked for"


def _shown(number: Decimal) -> str:
    return str(number)[:40]

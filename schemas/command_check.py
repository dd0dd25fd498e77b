"""What a command must keep beyond its shape, said by field, before it is sent or carried out."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from schemas.command import LARGEST_GRANT_CREDITS, Command, CommandData, Grant, TopUp
from schemas.correction_command import Adjust, VoidEvent, VoidGrant
from schemas.credits import MICROCREDITS_PER_CREDIT, parse_credits
from schemas.dead_letter import Reason
from schemas.plan_command import ActivatePlan, ChangePlan, Overage, Plan
from schemas.policy_command import RefillPolicy, SetPolicy, Threshold

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOO_LATE = datetime(2300, 1, 1, tzinfo=UTC)
"""ClickHouse tells no later time to the millisecond."""
_LONGEST_SHOWN = 40


class Problem(NamedTuple):
    """Why a command is refused; `detail` names the field and what is allowed."""

    reason: Reason
    detail: str


def problems(command: Command) -> list[str]:
    """Every reason not to send it, each naming the field and what is allowed; empty when there is none."""
    return [problem.detail for problem in problems_of(command.data)]


def problems_of(data: CommandData) -> list[Problem]:
    """The same of its data; the first one is what the worker gives as its reason: amounts come before terms."""
    return sorted(_found(data), key=lambda problem: problem.reason is not Reason.INVALID_AMOUNT)


def _found(data: CommandData) -> Iterator[Problem]:
    match data:
        case Grant() | TopUp():
            yield from _amount("credits", data.credits)
            yield from _of_lot(data)
        case VoidGrant():
            yield from _of_void_grant(data)
        case VoidEvent() if data.credits is not None:
            yield from _amount("credits", data.credits)
        case Adjust():
            yield from _amount("credits", data.credits.copy_abs())
        case ActivatePlan() | ChangePlan():
            yield from _of_plan(data.plan)
        case SetPolicy():
            yield from _of_policy(data)
        case _:
            return


def _amount(field: str, amount: Decimal, *, least: int = 1) -> Iterator[Problem]:
    try:
        micros = parse_credits(amount)
    except ValueError as error:
        yield Problem(Reason.INVALID_AMOUNT, f"{field}: {error}")
        return
    if not least <= micros <= LARGEST_GRANT_CREDITS * MICROCREDITS_PER_CREDIT:
        allowed = f"give {'0.000001' if least else '0'} to {LARGEST_GRANT_CREDITS}"
        yield Problem(Reason.INVALID_AMOUNT, f"{field} is {str(amount)[:_LONGEST_SHOWN]}: {allowed}")


def _of_lot(data: Grant | TopUp) -> Iterator[Problem]:
    for field, moment in (("effective_at", data.effective_at), ("expires_at", data.expires_at)):
        if moment is not None and not _EPOCH <= moment < _TOO_LATE:
            yield _term(f"{field} is {moment.isoformat()}: give a time from 1970 to 2299")
    if data.effective_at is not None and data.expires_at is not None and data.expires_at <= data.effective_at:
        yield _term("expires_at is not after effective_at: the credits would never be usable")


def _of_void_grant(data: VoidGrant) -> Iterator[Problem]:
    if data.credits is None:
        return
    yield from _amount("credits", data.credits)
    if data.spent == "owe":
        yield _term("spent is owe: with credits only what is unspent is taken back, so leave one of them out")


def _of_plan(plan: Plan) -> Iterator[Problem]:
    yield from _amount("plan.included_credits", plan.included_credits, least=0)
    if plan.rollover is not None:
        yield from _amount("plan.rollover.cap_credits", plan.rollover.cap_credits)
    yield from _of_overage(plan.overage)
    if plan.currency is None and (plan.fee_minor or plan.overage.mode == "billed"):
        yield _term("plan.currency is missing: a fee and billed overage are paid in one")


def _of_overage(overage: Overage) -> Iterator[Problem]:
    if overage.limit_credits is not None:
        yield from _amount("plan.overage.limit_credits", overage.limit_credits)
        if overage.mode == "refused":
            yield _term("plan.overage.limit_credits is for overage that is carried or billed: refused overage has none")
    if overage.price_minor is not None:
        yield from _amount("plan.overage.price_minor", overage.price_minor)
    if (overage.mode == "billed") != (overage.price_minor is not None):
        yield _term("plan.overage.price_minor is the price of billed overage: give both or none")


def _of_policy(data: SetPolicy) -> Iterator[Problem]:
    if data == SetPolicy():
        yield _term("nothing is set: give mode, thresholds or refill")
    if data.overage is not None and data.mode != "enforce":
        yield _term(
            "overage says what becomes of what is owed when enforcement begins: give it with mode enforce alone"
        )
    for number, threshold in enumerate(data.thresholds or (), start=1):
        yield from _of_threshold(f"thresholds[{number}]", threshold)
        if threshold in (data.thresholds or ())[: number - 1]:
            yield _term(f"thresholds[{number}] is there twice")
    if isinstance(data.refill, RefillPolicy):
        yield from _of_refill(data.refill)


def _of_threshold(field: str, threshold: Threshold) -> Iterator[Problem]:
    if threshold.credits is not None:
        # An alert at 0 is always there.
        yield from _amount(f"{field}.credits", threshold.credits)
    if (threshold.credits is None) == (threshold.percent is None):
        yield _term(f"{field}: give credits or percent, one of them")


def _of_refill(policy: RefillPolicy) -> Iterator[Problem]:
    yield from _amount("refill.below_credits", policy.below_credits)
    wrong = [*_amount("refill.credits", policy.credits)]
    if policy.most_credits is None:
        yield from wrong
        return
    wrong += _amount("refill.most_credits", policy.most_credits)
    yield from wrong
    if not wrong and policy.most_credits < policy.credits:
        yield _term("refill.most_credits is below refill.credits: nothing would ever be asked for")


def _term(detail: str) -> Problem:
    return Problem(Reason.INVALID_TERMS, detail)

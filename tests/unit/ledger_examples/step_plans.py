"""Steps about plans, in words."""

import re
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from tests.simulation.ledger_oracle.records import (
    ActivatePlan,
    CancelPlan,
    ChangePlan,
    Content,
    Overage,
    Plan,
    Renew,
    Rollover,
)
from tests.unit.ledger_examples.words import AMOUNT, TIME, microcredits, time_of

_AT: dict[str, Literal["once", "period_end"]] = {"once": "once", "the period's end": "period_end"}


class PlanWords:
    """Reads steps about plans; a change names what is other than in the plan before."""

    def __init__(self) -> None:
        self._last = Plan("none", 0)

    def content_of(self, words: str) -> Content | None:
        """The command that the words mean, None when they are not about plans."""
        activate = re.fullmatch(rf"activate (\w+) ({AMOUNT})((?:, .+)?)", words)
        if activate:
            terms, _, is_waived = activate[3].partition(", waive")
            plan = self._plan(Plan(activate[1], microcredits(activate[2])), terms)
            return ActivatePlan(plan, "waive" if is_waived or activate[3].endswith(", waive") else "keep")
        change = re.fullmatch(rf"change to (\w+) ({AMOUNT}) at (once|the period's end)((?:, .+)?)", words)
        if change:
            plan = replace(self._last, id=change[1], included=microcredits(change[2]))
            return ChangePlan(self._plan(plan, change[4]), _AT[change[3]])
        cancel = re.fullmatch(r"cancel at (once|the period's end)", words)
        if cancel:
            return CancelPlan(_AT[cancel[1]])
        renew = re.fullmatch(rf"renew ({TIME})", words)
        return Renew(time_of(renew[1]).date()) if renew else None

    def _plan(self, plan: Plan, terms: str) -> Plan:
        for term in filter(None, terms.split(", ")):
            plan = _with_term(plan, term)
        self._last = plan
        return plan


def _with_term(plan: Plan, term: str) -> Plan:
    if match := re.fullmatch(r"anchor (\d+)", term):
        return replace(plan, anchor_day=int(match[1]))
    if match := re.fullmatch(rf"rolls over up to ({AMOUNT}) for (\d+) periods?", term):
        return replace(plan, rollover=Rollover(microcredits(match[1]), int(match[2])))
    if term == "overage carried":
        return replace(plan, overage=replace(plan.overage, mode="carried"))
    if match := re.fullmatch(r"overage billed at ([\d.]+) cents", term):
        overage = Overage("billed", plan.overage.limit, Fraction(match[1]))
        return replace(plan, overage=overage, currency="EUR")
    if match := re.fullmatch(rf"overage limit ({AMOUNT})", term):
        return replace(plan, overage=replace(plan.overage, limit=microcredits(match[1])))
    if term == "renews on payment":
        return replace(plan, renews="on_payment")
    raise ValueError(f"{term!r} is no term of a plan")

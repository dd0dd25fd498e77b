"""The oracle's commands as the rules take them; what is checked before the rules see a command."""

from fractions import Fraction

from schemas.dead_letter import Reason
from schemas.plan import Plan, RefillPolicy, Threshold
from stream.rules.commands import OLDEST_MS, REMEMBERED_MS
from stream.rules.ledger import commands
from stream.rules.ledger.once import once
from stream.rules.usage import FUTURE_TOLERANCE_US
from tests.simulation.ledger_oracle import records
from tests.simulation.ledger_oracle.periods import midnight
from tests.unit.ledger_examples.instants import ms

_MICROS = 1_000_000


class Once:
    """Which identities and names were used: what a worker keeps beside the ledger, for as long."""

    def __init__(self) -> None:
        self._carried_out: dict[tuple[str, str], tuple[records.Content, int]] = {}
        self._used: dict[tuple[str, str], int] = {}

    def refuses(self, command: records.Command, now_ms: int) -> str:
        """Why the rules are not asked: a reason, `dropped`, or nothing."""
        said_ms = ms(command.time)
        if said_ms > now_ms + FUTURE_TOLERANCE_US // 1_000:
            return "too_far_ahead"
        if said_ms < now_ms - OLDEST_MS:
            return "command_too_old"
        before = self._carried_out.get((command.source, command.id))
        if before is not None and now_ms - before[1] <= REMEMBERED_MS:
            return "dropped" if before[0] == command.content else "command_id_reused"
        for name, reason in _names(command.content):
            if name in self._used and now_ms - self._used[name] <= REMEMBERED_MS:
                return reason
        return ""

    def remember(self, command: records.Command, now_ms: int) -> None:
        """It was carried out."""
        self._carried_out[command.source, command.id] = command.content, now_ms
        self._used.update((name, now_ms) for name, _ in _names(command.content))


def told(content: records.Content) -> commands.LedgerCommand:
    """The same command, in the rules' words."""
    match content:
        case records.ActivatePlan(plan, overage):
            return commands.ActivatePlan(_plan(plan), overage)
        case records.ChangePlan(plan, at):
            return commands.ChangePlan(_plan(plan), "now" if at == "once" else "period_end")
        case records.CancelPlan(at):
            return commands.CancelPlan("now" if at == "once" else "period_end")
        case records.Renew(period):
            return commands.RenewPlan(ms(midnight(period)))
        case records.SetPolicy():
            return _policy(content)
        case records.RefillPaid(request, payment):
            return commands.RefillPaid(request, payment.amount_minor, payment.currency, payment.reference)
        case records.RefillDeclined(request, retry):
            return commands.RefillDeclined(request, retry)
        case _:
            return _about_lots(content)


def _names(content: records.Content) -> list[tuple[tuple[str, str], Reason]]:
    if isinstance(content, records.VoidEvent | records.Reprice):
        return []
    return once(told(content))


def _about_lots(content: records.Content) -> commands.LedgerCommand:
    match content:
        case records.Grant(grant, amount, terms):
            return _grant(grant, amount, terms, "promotional", None)
        case records.TopUp(grant, amount, payment, terms):
            return _grant(grant, amount, terms, "top_up", payment)
        case records.Adjust(adjustment, amount, reason, actor):
            return commands.Adjust(adjustment, amount, f"{reason}, by {actor}")
        case records.VoidGrant(grant, spent, amount):
            return commands.VoidGrant(grant, spent, amount)
        case _:
            raise TypeError(f"{content} is no command to an account")


def _grant(
    grant: str, amount: int, terms: records.LotTerms, kind: commands.GrantKind, payment: records.Payment | None
) -> commands.Grant:
    return commands.Grant(
        grant,
        amount,
        kind,
        terms.priority,
        None if terms.effective_at is None else ms(terms.effective_at),
        None if terms.expires_at is None else ms(terms.expires_at),
        payment.amount_minor if payment else 0,
        payment.currency if payment else "",
        payment.reference if payment else "",
    )


def _plan(plan: records.Plan) -> Plan:
    return Plan(
        plan.id,
        plan.included,
        plan.anchor_day,
        plan.fee_minor,
        plan.currency,
        plan.rollover.cap if plan.rollover else 0,
        plan.rollover.periods if plan.rollover else 1,
        plan.overage.mode,
        _whole(plan.overage.price * _MICROS),
        -1 if plan.overage.limit is None else plan.overage.limit,
        plan.line,
        plan.renews,
    )


def _policy(policy: records.SetPolicy) -> commands.SetPolicy:
    thresholds = policy.thresholds
    refill = policy.refill
    return commands.SetPolicy(
        None if thresholds is None else tuple(_threshold(each) for each in thresholds),
        RefillPolicy(
            refill.threshold,
            refill.amount,
            -1 if refill.most_credits is None else refill.most_credits,
            -1 if refill.most_requests is None else refill.most_requests,
        )
        if isinstance(refill, records.RefillPolicy)
        else refill,
        policy.mode,
        policy.overage,
    )


def _threshold(threshold: records.Threshold) -> Threshold:
    if threshold.percent is not None:
        return Threshold(percent=_whole(threshold.percent))
    assert threshold.credits is not None
    return Threshold(threshold.credits)


def _whole(number: Fraction) -> int:
    assert number.denominator == 1
    return int(number)

"""Plans: activation, change, cancellation, renewal, and what happens at a period's end."""

from fractions import Fraction

from tests.simulation.ledger_oracle.bills import close_bill
from tests.simulation.ledger_oracle.burning import repay
from tests.simulation.ledger_oracle.lots import expire_due_lots, void_lot, void_part
from tests.simulation.ledger_oracle.periods import Period, first_period
from tests.simulation.ledger_oracle.posting import Posting, Rejected
from tests.simulation.ledger_oracle.records import ActivatePlan, CancelPlan, ChangePlan, Plan, Renew


def activate(posting: Posting, command: ActivatePlan) -> None:
    """The first period begins today, and is prorated by days unless today is the anchor."""
    account, plan = posting.account, command.plan
    if account.plan is not None:
        raise Rejected("plan_active")
    if command.overage == "waive":
        waive(posting)
    account.plan = plan
    account.scheduled = None
    account.period = first_period(posting.now, plan.anchor_day)
    close_bill(account, posting.now, account.period.end)
    _set_base(posting)
    account.is_renewed, account.is_next_renewed = True, False
    _open_plan_lot(posting, plan, account.period)
    repay(posting)


def waive(posting: Posting) -> None:
    """An adjustment of exactly what is owed, which it repays."""
    owed = posting.account.owed()
    if owed:
        posting.open_lot("adjustment", owed, id=f"waived:{posting.account.lots_made + 1}")
        repay(posting)


def change(posting: Posting, command: ChangePlan) -> None:
    """At once only for as many credits or more; it takes the place of whatever was to come at the period's end."""
    account, new = posting.account, command.plan
    old = account.plan
    if old is None:
        raise Rejected("no_plan")
    if command.at == "period_end":
        if account.is_next_renewed:
            raise Rejected("period_renewed")
        account.scheduled = new
        return
    if new.included < old.included:
        raise Rejected("only_at_period_end")
    account.plan, account.scheduled = new, None
    if new.included > old.included and account.is_renewed:
        _exchange_credits(posting, old, new)
    repay(posting)


def _exchange_credits(posting: Posting, old: Plan, new: Plan) -> None:
    """The unearned part of the old credits, as far as it is still there, for the new credits of the days left."""
    account = posting.account
    share = account.period.share_from(posting.now)
    lots = [lot for lot in account.usable_lots(posting.now) if lot.kind == "plan"]
    unearned = old.included * share
    back = min(sum(lot.held for lot in lots), round(unearned))
    left = back
    for lot in lots:
        taken = min(left, lot.held)
        void_part(posting, lot, taken)
        left -= taken
    amount = round(max(Fraction(0), new.included * share - (unearned - back)))
    if amount:
        posting.open_lot("plan", amount, expires_at=account.period.end)


def cancel(posting: Posting, command: CancelPlan) -> None:
    """At once the lots of the plan are taken back, and the period is over."""
    account = posting.account
    if account.plan is None:
        raise Rejected("no_plan")
    if command.at == "period_end":
        if account.is_next_renewed:
            raise Rejected("period_renewed")
        account.scheduled = "cancel"
        return
    for lot in [lot for lot in account.lots if lot.kind == "plan" and not lot.has_expired and not lot.is_voided]:
        void_lot(posting, lot, owes=False)
    account.plan, account.scheduled = None, None
    account.period = first_period(posting.now, 1)
    close_bill(account, posting.now, account.period.end)
    account.is_renewed = account.is_next_renewed = False
    _set_base(posting)


def renew(posting: Posting, command: Renew) -> None:
    """The payment for the current period brings its credits now; that for the next one a lot that starts with it."""
    account = posting.account
    if account.plan is None:
        raise Rejected("no_plan")
    is_next = command.period == account.period.end.date() and account.scheduled != "cancel"
    coming = account.scheduled if isinstance(account.scheduled, Plan) else account.plan
    plan = coming if is_next else account.plan
    if plan.renews != "on_payment":
        raise Rejected("invalid_terms")
    if is_next:
        if account.is_next_renewed:
            raise Rejected("period_renewed")
        account.is_next_renewed = True
        following = first_period(account.period.end, plan.anchor_day)
        _open_plan_lot(posting, plan, following)
        return
    if command.period != account.period.start.date():
        raise Rejected("unknown_period")
    if account.is_renewed or account.is_next_renewed:
        raise Rejected("period_renewed")
    account.is_renewed = True
    _open_plan_lot(posting, plan, account.period)
    repay(posting)


def fire_lots_and_period(posting: Posting) -> None:
    """What is due at this instant: expiry and rollover, bill, plan change, renewal, lots that start, repayment."""
    account, now = posting.account, posting.now
    is_period_end = now == account.period.end
    goes_on = account.plan if is_period_end and account.scheduled != "cancel" else None
    expire_due_lots(posting, goes_on)
    if is_period_end:
        if account.scheduled == "cancel":
            account.plan = None
        elif account.scheduled is not None:
            account.plan = account.scheduled
        account.scheduled = None
        account.period = first_period(now, account.plan.anchor_day if account.plan else 1)
        close_bill(account, now, account.period.end)
        _set_base(posting)
        _renew_at_period_start(posting)
    else:
        for lot in account.lots:
            if lot.effective_at == now and lot.is_usable(now):
                lot.base = lot.held
    repay(posting)


def _renew_at_period_start(posting: Posting) -> None:
    account, plan = posting.account, posting.account.plan
    was_paid, account.is_next_renewed = account.is_next_renewed, False
    account.is_renewed = plan is not None and (plan.renews == "by_clock" or was_paid)
    if plan is not None and account.is_renewed and not was_paid:
        _open_plan_lot(posting, plan, account.period)


def _open_plan_lot(posting: Posting, plan: Plan, period: Period) -> None:
    amount = round(plan.included * period.share_from(period.start))
    if amount:
        begins = max(period.start, posting.now)
        posting.open_lot("plan", amount, effective_at=begins, expires_at=period.end)


def _set_base(posting: Posting) -> None:
    """What is usable at the period's start; what becomes usable later adds to it, what is taken back lowers it."""
    for lot in posting.account.lots:
        lot.base = lot.held if lot.is_usable(posting.now) else 0

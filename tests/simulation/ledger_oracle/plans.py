"""Plans: activation, change, cancellation, renewal, and what happens at a period's end."""

from datetime import datetime, timedelta
from fractions import Fraction

from tests.simulation.ledger_oracle.bills import close_bill
from tests.simulation.ledger_oracle.burning import repay
from tests.simulation.ledger_oracle.lots import expire_due_lots, void_lot, void_part
from tests.simulation.ledger_oracle.periods import Period, first_period
from tests.simulation.ledger_oracle.posting import Posting, Rejected
from tests.simulation.ledger_oracle.records import ActivatePlan, CancelPlan, ChangePlan, Plan, Renew
from tests.simulation.ledger_oracle.state import Account, Lot

DEFAULT_LINE = "default"
_MOST_LINES = 5
_LINES_KEPT = timedelta(days=40)


def activate(posting: Posting, command: ActivatePlan) -> None:
    """The first period begins today, and is prorated by days unless today is the anchor."""
    account, plan = posting.account, command.plan
    if account.plan is not None:
        raise Rejected("plan_active")
    _check_lines(account, posting.now)
    if command.overage == "waive":
        waive(posting)
    account.scheduled = None
    account.period = first_period(posting.now, plan.anchor_day)
    close_bill(posting, posting.now, account.period.end)
    _come_into_force(account, plan, posting.now)
    posting.note("plan_activated")
    _set_base(posting)
    account.is_renewed, account.is_next_renewed = True, False
    _open_plan_lot(posting, plan, account.period)
    repay(posting)


def waive(posting: Posting) -> None:
    """An adjustment of exactly what is owed, which it repays."""
    owed = posting.account.owed()
    if owed:
        posting.open_lot("adjustment", owed, id=f"waived:{posting.account.sequence + 1}")
        repay(posting)


def change(posting: Posting, command: ChangePlan) -> None:
    """At once only for as many credits or more; it takes the place of whatever was to come at the period's end."""
    account, new = posting.account, command.plan
    old = account.plan
    if old is None:
        raise Rejected("no_plan")
    _check_lines(account, posting.now)
    if command.at == "period_end":
        if account.is_next_renewed:
            raise Rejected("period_renewed")
        account.scheduled = new
        return
    if new.included < old.included:
        raise Rejected("only_at_period_end")
    _come_into_force(account, new, posting.now)
    account.scheduled = None
    posting.note("plan_changed")
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
        name = _lot_name(account, new, account.period.start)
        posting.open_lot("plan", amount, id=name, expires_at=account.period.end)


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
    for lot in sorted(account.lots, key=Lot.burn_order):
        if lot.kind == "plan" and not lot.has_expired and not lot.is_voided:
            void_lot(posting, lot)
    account.period = first_period(posting.now, 1)
    close_bill(posting, posting.now, account.period.end)
    _end_plan(posting)
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
        posting.note("plan_renewed")
        following = first_period(account.period.end, plan.anchor_day)
        _open_plan_lot(posting, plan, following)
        return
    if command.period != account.period.start.date():
        raise Rejected("unknown_period")
    if account.is_renewed or account.is_next_renewed:
        raise Rejected("period_renewed")
    account.is_renewed = True
    posting.note("plan_renewed")
    _open_plan_lot(posting, plan, account.period)
    repay(posting)


def fire_lots_and_period(posting: Posting) -> None:
    """What is due at this instant: expiry and rollover, bill, plan change, renewal, lots that start, repayment."""
    account, now = posting.account, posting.now
    is_period_end = now == account.period.end
    goes_on = account.plan if is_period_end and account.scheduled != "cancel" else None
    starting = [lot for lot in account.lots if lot.effective_at == now and lot.is_usable(now) and lot.held]
    expire_due_lots(posting, goes_on)
    if is_period_end:
        _turn_period(posting)
    for lot in sorted(starting, key=Lot.burn_order):
        posting.note("lot_started", lot)
    if not is_period_end:
        account.base += sum(lot.held for lot in starting)
    repay(posting)


def _turn_period(posting: Posting) -> None:
    account, now, scheduled = posting.account, posting.now, posting.account.scheduled
    coming = scheduled if isinstance(scheduled, Plan) else None if scheduled == "cancel" else account.plan
    account.period = first_period(now, coming.anchor_day if coming else 1)
    close_bill(posting, now, account.period.end)
    if isinstance(scheduled, Plan):
        _come_into_force(account, scheduled, now)
        posting.note("plan_changed")
    elif scheduled == "cancel":
        _end_plan(posting)
    account.scheduled = None
    _set_base(posting)
    _renew_at_period_start(posting)


def _end_plan(posting: Posting) -> None:
    account = posting.account
    account.plan, account.scheduled = None, None
    _price_by(account, DEFAULT_LINE, posting.now)
    posting.note("plan_ended")


def _come_into_force(account: Account, plan: Plan, now: datetime) -> None:
    account.plan = plan
    _price_by(account, plan.line, now)


def _price_by(account: Account, line: str, now: datetime) -> None:
    if line != (account.lines[-1][1] if account.lines else DEFAULT_LINE):
        account.lines.append((now, line))


def _check_lines(account: Account, now: datetime) -> None:
    """What an event costs is known of the last 40 days: too many lines of rate cards are not kept for it."""
    before = [since for since, _ in account.lines if since <= now - _LINES_KEPT]
    if len(account.lines) - len(before[:-1]) > _MOST_LINES:
        raise Rejected("invalid_terms")


def line_at(account: Account, occurred_at: datetime) -> str:
    """Of the plan in force then."""
    return next((line for since, line in reversed(account.lines) if since <= occurred_at), DEFAULT_LINE)


def _lot_name(account: Account, plan: Plan, start: datetime) -> str:
    """It has the number of the entry that makes the lot: no other lot of the account has its name."""
    return f"plan:{plan.id}:{start.date()}:{account.sequence + 1}"


def _renew_at_period_start(posting: Posting) -> None:
    account, plan = posting.account, posting.account.plan
    was_paid, account.is_next_renewed = account.is_next_renewed, False
    account.is_renewed = plan is not None and (plan.renews == "by_clock" or was_paid)
    if plan is not None and account.is_renewed and not was_paid:
        posting.note("plan_renewed")
        _open_plan_lot(posting, plan, account.period)


def _open_plan_lot(posting: Posting, plan: Plan, period: Period) -> None:
    amount = round(plan.included * period.share_from(period.start))
    if amount:
        begins = max(period.start, posting.now)
        name = _lot_name(posting.account, plan, period.start)
        posting.open_lot("plan", amount, id=name, effective_at=begins, expires_at=period.end)


def _set_base(posting: Posting) -> None:
    """What is usable at the period's start; what becomes usable later adds to it, what is taken back lowers it."""
    posting.account.base = posting.account.available(posting.now)

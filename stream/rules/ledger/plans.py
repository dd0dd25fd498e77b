"""Plans: begun, renewed, changed and ended; one at a time, whose terms hold until they are changed."""

from schemas.account import AccountRow
from schemas.dead_letter import Reason
from schemas.lot import Lot
from schemas.plan import Plan
from schemas.rate_card import DEFAULT_LINE
from stream.rules.ledger.billing import MOST_LINES, close_bill
from stream.rules.ledger.commands import ActivatePlan, CancelPlan, ChangePlan, RenewPlan
from stream.rules.ledger.lots import LARGEST_GRANT, new_lot
from stream.rules.ledger.periods import day_of, month_of, period_from, share_left, start_of
from stream.rules.ledger.posting import Posting
from stream.rules.outcome import Reject

LAST_ANCHOR_DAY = 31
MOST_ROLLOVER_PERIODS = 36
MOST_LINE_CHANGES = 5
LONGEST_NAME = 64
LONGEST_LINE = 32
LINES_KEPT_MS = 40 * 86_400_000
"""Longer than any event is late: an event is priced by the line in force when it occurred."""


def activate(posting: Posting, command: ActivatePlan) -> Reject | None:
    """Begin a plan; a first period that does not begin on the anchor has its share of the credits."""
    row, plan, now_ms = posting.row, command.plan, posting.now_ms
    if row.plan is not None:
        return Reject(Reason.PLAN_ACTIVE, f"the plan {row.plan.id!r} is active: change it, or cancel it", row.account)
    refused = check_plan(row, plan, now_ms)
    if refused is not None:
        return refused
    if command.overage == "waive":
        waive(posting)
    close_bill(posting, now_ms)
    row.next_plan, row.ends = None, False
    _come_into_force(row, plan, now_ms)
    posting.write("plan_activated", detail=plan.id)
    _begin_period(posting, now_ms)
    _renew(posting, plan)
    row.base = row.available
    return None


def change(posting: Posting, command: ChangePlan) -> Reject | None:
    """Other terms from the next period, or at once if they do not include less."""
    row, plan, now_ms = posting.row, command.plan, posting.now_ms
    old = row.plan
    if old is None:
        return Reject(Reason.NO_PLAN, "the account has no plan: activate one", row.account)
    refused = check_plan(row, plan, now_ms)
    if refused is not None:
        return refused
    if command.when == "period_end":
        if row.renewed_start_ms > row.period_start_ms:
            return _paid_ahead(row)
        row.next_plan, row.ends = plan, False
        return None
    if plan.included < old.included:
        detail = f"{plan.id!r} includes less than {old.id!r}: only at the period's end"
        return Reject(Reason.ONLY_AT_PERIOD_END, detail, row.account)
    if len(row.bill) >= MOST_LINES and _sells_otherwise(plan, old):
        detail = f"the bill has {MOST_LINES} lines: another price only at the period's end"
        return Reject(Reason.ONLY_AT_PERIOD_END, detail, row.account)
    row.next_plan, row.ends = None, False
    _come_into_force(row, plan, now_ms)
    posting.write("plan_changed", detail=plan.id)
    if row.renewed_start_ms >= row.period_start_ms and plan.included > old.included:
        _exchange(posting, old, plan)
    return None


def cancel(posting: Posting, command: CancelPlan) -> Reject | None:
    """No plan from the period's end, or at once: then what its lots hold is voided."""
    row = posting.row
    if row.plan is None:
        return Reject(Reason.NO_PLAN, "the account has no plan", row.account)
    if command.when == "period_end":
        if row.renewed_start_ms > row.period_start_ms:
            return _paid_ahead(row)
        row.next_plan, row.ends = None, True
        return None
    # Also what is spent: what is refunded to it later is voided at once.
    for lot in [lot for lot in posting.book.lots() if _is_unended(lot, posting.now_ms)]:
        if lot.held:
            posting.void(lot, lot.held)
        lot.state = "voided"
        posting.touch(lot)
    close_bill(posting, posting.now_ms)
    end_plan(posting)
    # A period of its own, so that what is refunded later of the closed bill is a correction.
    row.period_start_ms = start_of(day_of(posting.now_ms))
    row.base = row.available
    return None


def _is_unended(lot: Lot, now_ms: int) -> bool:
    return lot.kind == "plan" and lot.state == "open" and lot.expires_at_ms > now_ms


def _paid_ahead(row: AccountRow) -> Reject:
    detail = f"the period of {day_of(row.period_end_ms)} is paid: it cannot be cancelled or changed any more"
    return Reject(Reason.PERIOD_RENEWED, detail, row.account)


def renew_on_payment(posting: Posting, command: RenewPlan) -> Reject | None:
    """The credits of this period or the next, once, now that they are paid."""
    row, start_ms = posting.row, command.period_start_ms
    if row.plan is None:
        return Reject(Reason.NO_PLAN, "the account has no plan", row.account)
    is_next = start_ms == row.period_end_ms and not row.ends
    plan = row.next_plan if is_next and row.next_plan is not None else row.plan
    if plan.renews != "on_payment":
        return Reject(Reason.INVALID_TERMS, f"the plan {plan.id!r} renews by the clock", row.account)
    if start_ms != row.period_start_ms and not is_next:
        detail = f"no period of the plan that is or comes next starts on {day_of(start_ms)}"
        return Reject(Reason.UNKNOWN_PERIOD, detail, row.account)
    if start_ms <= row.renewed_start_ms:
        return Reject(Reason.PERIOD_RENEWED, f"the period of {day_of(start_ms)} was renewed", row.account)
    posting.write("plan_renewed", detail=plan.id)
    _renew(posting, plan, start_ms)
    return None


def renew_by_clock(posting: Posting) -> None:
    """A period ended: the plan that comes next comes into force, and renews unless it waits for its payment."""
    row = posting.row
    start_ms = row.period_end_ms
    if row.next_plan is not None:
        _come_into_force(row, row.next_plan, start_ms)
        row.next_plan = None
        posting.write("plan_changed", detail=row.plan.id if row.plan else "")
    plan = row.plan
    if plan is None or row.ends:
        if plan is not None:
            end_plan(posting)
        else:
            row.period_start_ms, row.period_end_ms = month_of(start_ms)
        return
    _begin_period(posting, start_ms)
    # Paid ahead, under terms that renewed on payment: it has its lot.
    if plan.renews == "by_clock" and row.renewed_start_ms < start_ms:
        posting.write("plan_renewed", detail=plan.id)
        _renew(posting, plan)


def waive(posting: Posting) -> None:
    """Give exactly what is owed, and repay it, before the plan's own credits come."""
    owed, row = posting.row.owed, posting.row
    if owed:
        lot = new_lot(posting, "adjustment", f"waived:{row.sequence + 1}", owed, detail="overage waived")
        posting.repay(lot, owed)
        posting.place()


def end_plan(posting: Posting) -> None:
    """From now on there is no plan: periods are calendar months, overage is refused."""
    row = posting.row
    posting.write("plan_ended", detail=row.plan.id if row.plan else "")
    row.plan, row.next_plan, row.ends = None, None, False
    _price_by(row, DEFAULT_LINE, posting.now_ms)
    row.period_start_ms, row.period_end_ms = month_of(posting.now_ms)
    row.period_days = 0


def line_at(row: AccountRow, occurred_at_us: int) -> str:
    """The rate-card line of the plan that was in force then."""
    line = DEFAULT_LINE
    for since_ms, name in row.lines:
        if since_ms * 1_000 <= occurred_at_us:
            line = name
    return line


def check_plan(row: AccountRow, plan: Plan, now_ms: int) -> Reject | None:
    """Whether the terms can be kept."""
    problem = ""
    if len(plan.id) > LONGEST_NAME or len(plan.line) > LONGEST_LINE:
        problem = f"a plan's id has at most {LONGEST_NAME} characters, its line {LONGEST_LINE}"
    elif not 1 <= plan.anchor_day <= LAST_ANCHOR_DAY:
        problem = f"anchor day {plan.anchor_day} is not 1 to {LAST_ANCHOR_DAY}"
    elif not 0 <= plan.included <= LARGEST_GRANT:
        problem = f"{plan.included} microcredits included is not 0 to 10^15"
    elif not 0 <= plan.rollover_cap <= LARGEST_GRANT or not 1 <= plan.rollover_periods <= MOST_ROLLOVER_PERIODS:
        problem = f"rollover is not a cap up to 10^15 for 1 to {MOST_ROLLOVER_PERIODS} periods"
    elif plan.overage == "billed" and not (plan.overage_price_micros > 0 and plan.currency):
        problem = "billed overage needs a price and a currency"
    elif len(_recent(row.lines, now_ms)) > MOST_LINE_CHANGES:
        problem = f"the rate-card line was changed {MOST_LINE_CHANGES} times in 40 days"
    return Reject(Reason.INVALID_TERMS, problem, row.account) if problem else None


def _begin_period(posting: Posting, start_ms: int) -> None:
    row = posting.row
    assert row.plan is not None  # noqa: S101  only plans have such periods
    period = period_from(row.plan.anchor_day, start_ms)
    row.period_start_ms, row.period_end_ms, row.period_days = period.start_ms, period.end_ms, period.days
    row.overage_used = 0


def _renew(posting: Posting, plan: Plan, start_ms: int | None = None) -> None:
    row = posting.row
    period = period_from(plan.anchor_day, row.period_start_ms if start_ms is None else start_ms)
    row.renewed_start_ms = period.start_ms
    amount = round(plan.included * period.share)
    if amount:
        name = plan_lot_name(row, plan, period.start_ms)
        new_lot(posting, "plan", name, amount, period.end_ms, begins_at_ms=max(period.start_ms, posting.now_ms))


def _exchange(posting: Posting, old: Plan, new: Plan) -> None:
    """Give back what was not earned yet, and get the new plan's share of the rest of the period."""
    row = posting.row
    left = share_left(row.period_days, row.period_end_ms, posting.now_ms)
    unearned = old.included * left
    lots = [lot for lot in posting.book.usable() if lot.kind == "plan" and lot.expires_at_ms == row.period_end_ms]
    back = min(sum(lot.held for lot in lots), round(unearned))
    rest = back
    for lot in lots:
        amount = min(rest, lot.held)
        if amount:
            posting.void(lot, amount)
            rest -= amount
    posting.place()
    amount = max(0, round(new.included * left - (unearned - back)))
    if amount:
        name = plan_lot_name(row, new, row.period_start_ms)
        new_lot(posting, "plan", name, amount, row.period_end_ms)


def plan_lot_name(row: AccountRow, plan: Plan, start_ms: int) -> str:
    """Unique in the account: the sequence number is that of the entry that makes the lot."""
    return f"plan:{plan.id}:{day_of(start_ms)}:{row.sequence + 1}"


def _come_into_force(row: AccountRow, plan: Plan, at_ms: int) -> None:
    row.plan = plan
    _price_by(row, plan.line, at_ms)


def _price_by(row: AccountRow, line: str, at_ms: int) -> None:
    if line != (row.lines[-1][1] if row.lines else DEFAULT_LINE):
        row.lines = (*_recent(row.lines, at_ms), (at_ms, line))


def _recent(lines: tuple[tuple[int, str], ...], at_ms: int) -> tuple[tuple[int, str], ...]:
    """Lines that were in force in the last 40 days: the last one before that, and all since."""
    old = tuple(line for line in lines if line[0] <= at_ms - LINES_KEPT_MS)
    return old[-1:] + lines[len(old) :]


def _sells_otherwise(plan: Plan, old: Plan) -> bool:
    return (plan.overage_price_micros, plan.currency) != (old.overage_price_micros, old.currency)

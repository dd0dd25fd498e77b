"""What the clock does to one account at one instant, traffic or not.

In this order: expiry and rollover, bill closed, plan change, renewal, lots starting; repayment follows, as always.
"""

from schemas.identifiers import GrantId
from schemas.lot import Lot
from schemas.plan import Plan
from stream.rules.ledger.billing import close_bill
from stream.rules.ledger.book import Book, burn_order
from stream.rules.ledger.periods import end_after, month_of
from stream.rules.ledger.plans import renew_by_clock
from stream.rules.ledger.posting import Posting
from stream.rules.ledger.settle import watches_period_ends


def fire(posting: Posting) -> None:
    """Everything that is due at the posting's instant, which is the account's next due one."""
    row, now_ms = posting.row, posting.now_ms
    turn_months(posting.book, now_ms)
    period_ends = row.period_end_ms <= now_ms
    plan = row.plan if period_ends and not row.ends else None
    if plan is not None and plan.rollover_cap:
        _expire(posting, [lot for lot in _ended(posting) if lot.kind != "plan"])
        _roll_over(posting, plan)
    _expire(posting, _ended(posting))
    if period_ends:
        close_bill(posting, now_ms)
        renew_by_clock(posting)
    for lot in list(posting.book.open):
        if not lot.started and lot.effective_at_ms <= now_ms:
            posting.start(lot)
    if period_ends or row.period_start_ms == now_ms:
        row.base = row.available


def turn_months(book: Book, now_ms: int) -> None:
    """Without a plan periods are calendar months; where nothing is due at their ends they turn when next looked at.

    Nothing was posted since, so that what is usable now was usable then.
    """
    row = book.row
    if row.period_end_ms <= now_ms and not watches_period_ends(row):
        row.period_start_ms, row.period_end_ms = month_of(now_ms)
        row.base = row.available
        row.overage_used = 0


def end_lot(posting: Posting, lot: Lot) -> None:
    """A lot's end has come: what it holds expires."""
    posting.expire(lot, lot.held)
    lot.state = "expired"
    posting.touch(lot)


def rollover_name(lot: Lot) -> str:
    """The lot into which the rest of a plan's lot goes."""
    return f"rollover:{lot.id}"


def _ended(posting: Posting) -> list[Lot]:
    return [lot for lot in posting.book.open if lot.expires_at_ms <= posting.now_ms]


def _expire(posting: Posting, lots: list[Lot]) -> None:
    for lot in lots:
        end_lot(posting, lot)
    posting.place()


def _roll_over(posting: Posting, plan: Plan) -> None:
    """The period's plan lots move their rest, up to the cap less what older rollover lots hold; the others expire."""
    row, book = posting.row, posting.book
    # A lot that was spent rolls too: what is refunded to it later follows, as far as the cap has room.
    ended = [lot for lot in book.lots() if _ends_with(lot, row.period_end_ms)]
    room = max(0, plan.rollover_cap - sum(lot.held for lot in book.open if lot.kind == "rollover"))
    next_plan = row.next_plan or plan
    expires_at_ms = end_after(next_plan.anchor_day, row.period_end_ms, plan.rollover_periods)
    for lot in sorted(ended, key=burn_order):
        into = _rollover_of(lot, expires_at_ms, posting.now_ms)
        moved = min(lot.held, room)
        room -= moved
        lot.rollover = into.id
        if moved:
            posting.roll(lot, into, moved)
        posting.expire(lot, lot.held)
        lot.state = "rolled"
        posting.touch(lot)
        posting.touch(into)
    for lot in ended:
        lot.roll_room = room
    posting.place()


def _ends_with(lot: Lot, period_end_ms: int) -> bool:
    return lot.kind == "plan" and lot.state == "open" and lot.expires_at_ms == period_end_ms


def _rollover_of(lot: Lot, expires_at_ms: int, now_ms: int) -> Lot:
    name = GrantId(rollover_name(lot))
    into = Lot(lot.account, name, "rollover", lot.priority, lot.effective_at_ms, expires_at_ms, origin=lot.id)
    into.paid_minor, into.currency, into.payment = lot.paid_minor, lot.currency, lot.payment
    # It is no grant: it began when its credits did.
    into.started = lot.effective_at_ms <= now_ms
    return into

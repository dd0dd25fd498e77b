"""Splits a charge over lots in burn-down order; what no lot covers is overage."""

from collections.abc import Iterator

from schemas.account import AccountRow
from schemas.lot import Lot
from stream.rules.ledger.billing import line_of
from stream.rules.ledger.book import Book, burn_order
from stream.rules.ledger.posting import Posting

US_PER_MS = 1_000


def charge(posting: Posting, cost: int, *, draws_late: bool = True) -> None:
    """Burn what an event cost; usage that arrives is always booked."""
    posting.row.charged += cost
    rest = cost
    for lot, is_late in _payers(posting, draws_late):
        amount = min(rest, lot.expired if is_late else lot.held)
        if is_late:
            posting.reverse_expiry(lot, amount)
        posting.burn(lot, amount, late=is_late)
        rest -= amount
        if not rest:
            break
    if rest:
        _overage(posting, rest)
    posting.place()


def repay(posting: Posting) -> None:
    """What is owed is repaid at once by any lot that is usable, in burn-down order."""
    row = posting.row
    if row.owed:
        for lot in posting.book.usable():
            posting.repay(lot, min(lot.held, row.owed))
            if not row.owed:
                break
        posting.place()


def count_beyond(row: AccountRow, cost: int) -> None:
    """Count an event that was booked while the gate was closed; the one that closed it is not."""
    row.beyond_events += 1
    row.beyond_microcredits += cost
    if row.policy.mode == "enforce":
        row.leaked_events += 1
        row.leaked_microcredits += cost


def overage_room(posting_or_book: Posting | Book) -> int:
    """How much overage may still be billed or carried: -1 is without limit, 0 is refused."""
    row = posting_or_book.row
    plan = row.plan
    if plan is None or plan.overage == "refused":
        return 0
    return -1 if plan.overage_limit < 0 else max(0, plan.overage_limit - row.overage_used)


def _payers(posting: Posting, draws_late: bool) -> Iterator[tuple[Lot, bool]]:
    """Usable lots, and ended ones that the event still had; with whether it is late for them."""
    book, occurred_at_us = posting.book, posting.cause.occurred_at_us
    usable = book.usable()
    if not draws_late or occurred_at_us >= book.late_before_us:
        return ((lot, False) for lot in usable)
    ended = [lot for lot in book.closed.values() if had_for(lot, occurred_at_us)]
    return ((lot, not lot.held) for lot in sorted(usable + ended, key=burn_order))


def had_for(lot: Lot, occurred_at_us: int) -> bool:
    """Whether a lot lost credits to expiry that an event of that time might have burned."""
    return bool(
        lot.expired
        and lot.state in ("expired", "rolled")
        and lot.effective_at_ms * US_PER_MS <= occurred_at_us < lot.expires_at_ms * US_PER_MS
    )


def _overage(posting: Posting, rest: int) -> None:
    row, plan = posting.row, posting.row.plan
    room = overage_room(posting)
    allowed = rest if room < 0 else min(rest, room)
    if plan is not None and allowed:
        row.overage_used += allowed
        if plan.overage == "billed":
            posting.bill(allowed, line_of(row, row.period_start_ms, plan.overage_price_micros, plan.currency))
        else:
            posting.owe(allowed, "carried")
    if rest > allowed:
        posting.owe(rest - allowed, "refused")

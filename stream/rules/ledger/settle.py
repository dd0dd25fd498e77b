"""What ends every posting: repayment, then thresholds, gate and refill, once; then what the next charge may skip."""

from schemas.account import AccountRow, find_line
from schemas.credits import LARGEST_TOTAL_MICROCREDITS
from schemas.lot import NEVER_MS
from schemas.plan import Mode
from stream.rules.ledger import refill
from stream.rules.ledger.book import FORGET_CLOSED_MS, Book
from stream.rules.ledger.charge import overage_room, repay
from stream.rules.ledger.posting import Posting
from stream.rules.ledger.thresholds import highest_armed, move_gate, watch


def settle(posting: Posting, mode_before: Mode | None = None) -> Posting:
    """End a posting; `mode_before` is the mode it began with, where it changes that."""
    row = posting.row
    posting.place()
    repay(posting)
    watch(posting)
    move_gate(posting, mode_before or row.policy.mode)
    refill.step(posting)
    if posting.entries or posting.cause.kind != "clock":
        row.updated_at_ms = posting.now_ms
    was_first = posting.book.first
    refresh(posting.book, caught_up=posting.caught_up)
    if was_first is not None and was_first is not posting.book.first:
        # Its latest state was in the account's row, which now has another's.
        was_first.version = posting.version
    return posting


def refresh(book: Book, *, caught_up: bool = True) -> None:
    """Say anew which charges are simple, and when the clock has something to do."""
    row = book.row
    due = min((lot.expires_at_ms if lot.started else lot.effective_at_ms for lot in book.open), default=NEVER_MS)
    if caught_up:
        due = min(due, refill.due_at(row))
    if watches_period_ends(row):
        due = min(due, row.period_end_ms)
    book.due_at_ms = due
    book.quiet_until_ms = min(due, row.period_end_ms)
    book.late_before_us = 1_000 * max(
        (lot.expires_at_ms for lot in book.closed.values() if lot.expired and lot.state in ("expired", "rolled")),
        default=0,
    )
    book.first = next((lot for lot in book.open if lot.started), None)
    find_overage(book)
    book.follow()
    book.burn_from(book.first, _room(book))


def watches_period_ends(row: AccountRow) -> bool:
    """Whether the end of a period changes anything that anybody sees."""
    return row.plan is not None or bool(row.bill) or any(each.percent for each in row.policy.thresholds)


def find_overage(book: Book) -> None:
    """Where a charge goes that finds no usable lot."""
    row, plan, room = book.row, book.row.plan, overage_room(book)
    book.overage = "refused" if plan is None or not room else plan.overage
    book.line = None
    if plan is not None and book.overage == "billed":
        book.line = find_line(row, row.period_start_ms, plan.overage_price_micros, plan.currency)


def _room(book: Book) -> int:
    row = book.row
    most = LARGEST_TOTAL_MICROCREDITS - row.charged
    if book.first is None and book.overage == "billed":
        # Remaining stays as it is, but the line must be there.
        return min(most, _overage_left(book)) if book.line is not None and refill.level_of(row) is None else 0
    asks_below = refill.level_of(row)
    level = highest_armed(row)
    if asks_below is not None:
        level = asks_below if level is None else max(level, asks_below)
    above = most if level is None else row.remaining - level
    held = _overage_left(book) if book.first is None else book.first.held
    return min(held, above, most)


def _overage_left(book: Book) -> int:
    left = overage_room(book)
    return left if left > 0 else LARGEST_TOTAL_MICROCREDITS


def forget_closed(book: Book, now_ms: int) -> None:
    """Drop lots that hold nothing, 90 days after their last entry."""
    old = [lot for lot in book.closed.values() if now_ms - lot.closed_at_ms > FORGET_CLOSED_MS]
    for lot in old:
        del book.closed[lot.id]
        book.forgotten = (*book.forgotten, lot.id)

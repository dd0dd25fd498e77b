"""How accounts begin."""

from schemas.account import AccountRow, Alarm
from schemas.credits import FREE_GRANT_MICROCREDITS
from schemas.identifiers import Account, GrantId
from schemas.lot import PRIORITIES, Lot
from stream.rules.ledger.book import Book
from stream.rules.ledger.lots import new_lot
from stream.rules.ledger.periods import month_of
from stream.rules.ledger.posting import Posting

_FREE_PRIORITY = PRIORITIES["free"]


def free_grant_name(account: str) -> str:
    """The lot that usage brings to a new account, once ever."""
    return f"free:{account}"


def open_book(account: str, now_ms: int) -> Book:
    """An account without a plan: observe mode, overage refused, calendar months, nothing in it."""
    start_ms, end_ms = month_of(now_ms)
    row = AccountRow(Account(account), period_start_ms=start_ms, period_end_ms=end_ms, opened_at_ms=now_ms)
    return Book(row)


def give_free_credits(posting: Posting) -> None:
    """500 credits, for an account that its usage opened."""
    new_lot(posting, "free", free_grant_name(posting.row.account), FREE_GRANT_MICROCREDITS)


def opened_by_usage(account: str, now_ms: int) -> Book:
    """An account that has its free credits, of which simple charges may take: as the posting of them would leave it.

    Where every event is a new account's, posting them takes longer than all else.
    """
    book = open_book(account, now_ms)
    row, amount = book.row, FREE_GRANT_MICROCREDITS
    lot = Lot(row.account, GrantId(free_grant_name(account)), "free", _FREE_PRIORITY, now_ms)
    lot.granted = lot.held = amount
    lot.started = True
    row.sequence = row.grants = 1
    row.granted = row.held = row.balance = row.base = amount
    # What is left is above zero, so that this one is armed.
    row.alarms = [Alarm(armed=True, number=1)]
    row.armings = 1
    row.updated_at_ms = now_ms
    book.open = [lot]
    book.follow()
    book.quiet_until_ms = row.period_end_ms
    book.burn_from(lot, amount)
    return book

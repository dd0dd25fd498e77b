"""How accounts begin."""

from schemas.account import AccountRow, Opening
from schemas.credits import FREE_GRANT_MICROCREDITS
from schemas.identifiers import Account
from schemas.lot import free_grant_name
from stream.rules.ledger.book import Book
from stream.rules.ledger.lots import new_lot
from stream.rules.ledger.periods import month_of
from stream.rules.ledger.posting import Posting


def open_book(account: str, now_ms: int) -> Book:
    """An account without a plan: observe mode, overage refused, calendar months, nothing in it."""
    start_ms, end_ms = month_of(now_ms)
    row = AccountRow(Account(account), period_start_ms=start_ms, period_end_ms=end_ms, opened_at_ms=now_ms)
    return Book(row)


def give_free_credits(posting: Posting) -> None:
    """500 credits, for an account that its usage opened."""
    new_lot(posting, "free", free_grant_name(posting.row.account), FREE_GRANT_MICROCREDITS)


def opened_by_usage(account: Account, now_ms: int) -> Book:
    """An account that has its free credits, of which simple charges may take: as the posting of them would leave it.

    Where every event is a new account's, posting them takes longer than all else.
    """
    start_ms, end_ms = month_of(now_ms)
    return Book.opened(account, Opening(now_ms, start_ms, end_ms, FREE_GRANT_MICROCREDITS))

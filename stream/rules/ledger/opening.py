"""How accounts begin."""

from schemas.account import AccountRow, Alarm
from schemas.credits import FREE_GRANT_MICROCREDITS
from schemas.identifiers import Account, GrantId
from schemas.lot import PRIORITIES, Lot
from stream.rules.ledger.book import Book
from stream.rules.ledger.lots import new_lot
from stream.rules.ledger.periods import month_of
from stream.rules.ledger.posting import Posting


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


def opened_by_usage(account: Account, now_ms: int) -> Book:
    """An account that has its free credits, of which simple charges may take: as the posting of them would leave it.

    Where every event is a new account's, posting them takes longer than all else.
    """
    row, lot = _OPENED, _FREE_LOT
    row.period_start_ms, row.period_end_ms = month_of(now_ms)
    row.opened_at_ms = row.updated_at_ms = lot.effective_at_ms = now_ms
    lot.account, lot.id = account, GrantId(free_grant_name(account))
    return Book.opened(row, account, row.period_end_ms)


_FREE_LOT = Lot(Account(""), GrantId(""), "free", PRIORITIES["free"], 0)
_FREE_LOT.granted = _FREE_LOT.held = FREE_GRANT_MICROCREDITS
_FREE_LOT.started = True
_OPENED = AccountRow(Account(""), sequence=1, grants=1, first_lot=_FREE_LOT)
_OPENED.granted = _OPENED.held = _OPENED.balance = _OPENED.base = FREE_GRANT_MICROCREDITS
# What is left is above zero, so that this one is armed.
_OPENED.alarms = (Alarm(armed=True, number=1),)
_OPENED.armings = 1
"""Written over for each account, and read by nobody else: to make it anew would take longer than to encode it."""

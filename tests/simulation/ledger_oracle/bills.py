"""Overage in money: a line for each price in the period it was booked in; closed bills never change."""

from datetime import datetime

from tests.simulation.ledger_oracle.posting import Posting
from tests.simulation.ledger_oracle.state import Account, Bill, Billed, BillLine


def add_to_bill(account: Account, billed: Billed, credits_: int) -> None:
    """Overage of the current period, or its credit when negative."""
    _line(account, billed, None).credits += credits_


def credit_bill(account: Account, billed: Billed, credits_: int) -> None:
    """A refund: on its own line while the period is the current one, else as a correction that names it."""
    if billed.period.start == account.period.start:
        add_to_bill(account, billed, -credits_)
    else:
        _line(account, billed, billed.period.start).credits -= credits_


def close_bill(posting: Posting, end: datetime, next_end: datetime) -> None:
    """The period's bill is final, and there is none when nothing is on it; the next one begins.

    The account's period is the next one already, its plan still the one that is billed.
    """
    account = posting.account
    account.bill.end, account.bill.plan = end, account.plan.id if account.plan else ""
    if account.bill.lines:
        account.bills.append(account.bill)
    if any(line.credits for line in account.bill.lines):
        posting.note("bill_closed")
    account.bill = Bill(account.period.start, next_end)
    account.overage_in_period = 0


def _line(account: Account, billed: Billed, corrects: datetime | None) -> BillLine:
    wanted = (billed.price, billed.currency, corrects)
    for line in account.bill.lines:
        if (line.price, line.currency, line.corrects) == wanted:
            return line
    line = BillLine(*wanted)
    account.bill.lines.append(line)
    return line

"""Refunds: the pieces of a charge come back last to first, each to what paid for it in the end."""

from typing import Literal

from tests.simulation.ledger_oracle.bills import credit_bill
from tests.simulation.ledger_oracle.lots import expire, move
from tests.simulation.ledger_oracle.posting import Posting
from tests.simulation.ledger_oracle.state import Billed, Charge, Lot


def refund(posting: Posting, charge: Charge, amount: int) -> None:
    """So much of the charge is given back."""
    account = posting.account
    account.totals.refunded += amount
    account.rollups[charge.rollup] -= amount
    charge.now -= amount
    for piece in reversed(list(charge.pieces)):
        taken = min(amount, piece.amount)
        if taken == 0:
            continue
        piece.amount -= taken
        if isinstance(piece.source, Billed):
            credit_bill(account, piece.source, taken)
            if piece.source.period.start == account.period.start:
                account.overage_in_period = max(0, account.overage_in_period - taken)
            posting.write("refunded", taken, billed_effect=-taken)
        else:
            _give_back(posting, piece.source, taken)
        amount -= taken
    charge.pieces = [piece for piece in charge.pieces if piece.amount]


def _give_back(posting: Posting, source: Lot | Literal["owed"], amount: int) -> None:
    """First what is owed is reduced, whoever's; then the lot gets back what it still pays; then those that repaid."""
    account = posting.account
    reduced = min(amount, account.owed_now)
    account.owed_now -= reduced
    posting.write("refunded", reduced, owed_effect=-reduced)
    rest = amount - reduced
    if isinstance(source, Lot) and not source.is_kept(posting.now):
        _expire_where_it_was(posting, source, rest)
        return
    if isinstance(source, Lot):
        own = min(amount, source.spent - source.repaid)
        # What reduced the debt of others is what this lot repaid of it.
        source.repaid += min(own, reduced)
        back = min(rest, own - min(own, reduced))
        _return_to_lot(posting, source, back)
        rest -= back
    for lot in sorted(account.lots, key=Lot.burn_order, reverse=True):
        if lot.is_kept(posting.now):
            back = min(rest, lot.repaid)
            lot.repaid -= back
            _return_to_lot(posting, lot, back)
            rest -= back
    for lot in account.lots:
        if not lot.is_kept(posting.now):
            gone = min(rest, lot.repaid)
            lot.repaid -= gone
            _expire_where_it_was(posting, lot, gone)
            rest -= gone
    assert rest == 0


def _expire_where_it_was(posting: Posting, lot: Lot, amount: int) -> None:
    """A lot that was forgotten, 90 days after its last entry, takes nothing back."""
    totals, moved_at = posting.account.totals, lot.moved_at
    lot.spent -= amount
    lot.expired += amount
    totals.burned -= amount
    totals.expired += amount
    posting.write("refunded", amount, lot, lot_effect=amount)
    posting.write("expired", amount, lot, lot_effect=-amount)
    lot.moved_at = moved_at


def _return_to_lot(posting: Posting, lot: Lot, amount: int) -> None:
    """Into an open lot; a lot that was taken back or has expired loses it again at once, less what rolls over."""
    if amount == 0:
        return
    account = posting.account
    lot.spent -= amount
    lot.held += amount
    account.totals.burned -= amount
    posting.write("refunded", amount, lot, lot_effect=amount)
    if lot.is_voided:
        lot.held -= amount
        lot.voided += amount
        account.totals.voided += amount
        posting.write("voided", amount, lot, lot_effect=-amount)
    elif lot.has_expired:
        moved = 0
        if lot.rollover and lot.room and not lot.rollover.has_expired and not lot.rollover.is_voided:
            moved = min(amount, lot.room.left)
            lot.room.left -= moved
            move(posting, lot, lot.rollover, moved)
        expire(posting, lot, amount - moved)

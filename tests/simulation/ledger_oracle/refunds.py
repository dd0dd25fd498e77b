"""Refunds: the pieces of a charge come back last to first, each to what paid for it in the end."""

from collections.abc import Iterator

from tests.simulation.ledger_oracle.bills import credit_bill
from tests.simulation.ledger_oracle.lots import expire, move
from tests.simulation.ledger_oracle.posting import Posting
from tests.simulation.ledger_oracle.state import Billed, Charge, Debt, Lot, Piece


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
        _give_room_back(posting, piece)
        if isinstance(piece.source, Billed):
            credit_bill(account, piece.source, taken)
            posting.write("refunded", taken, billed_effect=-taken)
        else:
            _give_back(posting, piece.source, taken)
        amount -= taken
    charge.pieces = [piece for piece in charge.pieces if piece.amount]


def _give_room_back(posting: Posting, piece: Piece) -> None:
    """Overage that is refunded in its own period no longer counts towards the limit; what was refused goes first."""
    still_within = min(piece.within_limit, piece.amount)
    if piece.period is posting.account.period:
        posting.account.overage_in_period -= piece.within_limit - still_within
    piece.within_limit = still_within


def _give_back(posting: Posting, source: Lot | Debt, amount: int) -> None:
    """First what is owed is reduced, whoever's; the rest goes to the lots that had paid."""
    reduced = 0
    returned: list[Piece] = []
    for found in list(_release(source, amount)):
        if isinstance(found.source, Debt):
            reduced += found.amount
        else:
            returned.append(found)
    for piece in returned:
        assert isinstance(piece.source, Lot)
        for debt in posting.account.debts:
            # The lot stays spent: it now pays for the other one's debt, and is kept for that one's refund.
            covered = min(piece.amount, debt.outstanding)
            if covered:
                piece.source.moved_at = posting.now
                debt.outstanding -= covered
                debt.repaid.append(Piece(piece.source, covered))
                piece.amount -= covered
                reduced += covered
    posting.write("refunded", reduced, owed_effect=-reduced)
    for piece in returned:
        assert isinstance(piece.source, Lot)
        _return_to_lot(posting, piece.source, piece.amount)


def _release(source: Lot | Debt, amount: int) -> Iterator[Piece]:
    """What paid for this, last first: what is still owed of it, then the lots that repaid it."""
    debt = source.void_debt if isinstance(source, Lot) else source
    if debt is None:
        yield Piece(source, amount)
        return
    owed = min(amount, debt.outstanding)
    if owed:
        debt.outstanding -= owed
        amount -= owed
        yield Piece(debt, owed)
    for piece in reversed(list(debt.repaid)):
        taken = min(amount, piece.amount)
        if taken:
            piece.amount -= taken
            amount -= taken
            assert isinstance(piece.source, Lot)
            yield from _release(piece.source, taken)
    debt.repaid = [piece for piece in debt.repaid if piece.amount]
    assert amount == 0


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

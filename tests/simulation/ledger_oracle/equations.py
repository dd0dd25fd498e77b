"""What always holds, counted anew from everything that an account has: the six equations, and the chain."""

from collections import Counter
from dataclasses import fields

from tests.simulation.ledger_oracle.entries import chained_hash, first_hash, hashed_fields
from tests.simulation.ledger_oracle.posting import Posting
from tests.simulation.ledger_oracle.state import Account, Billed, Lot, Totals


class BrokenEquationError(AssertionError):
    """The books of an account are wrong: which equation, and its two sides."""


def check(posting: Posting) -> None:
    """Raises for the first thing that does not hold after a posting."""
    account, totals = posting.account, posting.account.totals
    held, owed, billed = account.held(), account.owed(), account.billed()
    available = account.available(posting.now)
    _equal(account, "1 G = B + E + V + H", totals.granted, totals.burned + totals.expired + totals.voided + held)
    standing = totals.charged - totals.refunded
    _equal(account, "2 C - R = B + O + M", standing, totals.burned + owed + billed)
    _equal(account, "3 sum of effects", account.balance, held - owed)
    if account.keeps_entries:
        effects = sum(each.lot_effect - each.owed_effect for each in account.entries)
        _equal(account, "3 sum of effects by entries", effects, account.balance)
        _equal(account, "3 owed by entries", sum(each.owed_effect for each in account.entries), owed)
        _equal(account, "3 billed by entries", sum(each.billed_effect for each in account.entries), billed)
    not_started = sum(lot.held for lot in account.lots if lot.effective_at > posting.now)
    _equal(account, "3 Remaining", available - owed, held - owed - not_started)
    _equal(account, "4 owed while lots hold credits", min(owed, available), 0)
    for lot in account.lots:
        _check_lot(account, lot)
    for name in ("granted", "expired", "voided"):
        _equal(account, f"5 {name} by lot", sum(getattr(lot, name) for lot in account.lots), getattr(totals, name))
    _equal(account, "5 burned by lot", sum(lot.spent for lot in account.lots), totals.burned)
    _equal(account, "6 rollups", sum(account.rollups.values()), standing)
    for charge in account.charges.values():
        _equal(account, f"6 pieces of {charge.event.id}", sum(piece.amount for piece in charge.pieces), charge.now)
    _check_payers(account)
    for field in fields(Totals):
        _at_least_0(account, field.name, getattr(totals, field.name))


def _check_lot(account: Account, lot: Lot) -> None:
    came = lot.granted + lot.rolled_in
    went = lot.spent + lot.expired + lot.voided + lot.rolled_out + lot.held
    _equal(account, f"5 lot {lot.id}", came, went)
    for name in ("granted", "rolled_in", "spent", "repaid", "expired", "voided", "rolled_out", "held"):
        _at_least_0(account, f"{name} of lot {lot.id}", getattr(lot, name))
    if lot.has_expired or lot.is_voided:
        _equal(account, f"5 an ended lot {lot.id} holds", lot.held, 0)
    if lot.room:
        _at_least_0(account, f"room of lot {lot.id}", lot.room.left)


def _check_payers(account: Account) -> None:
    """Every credit that was charged is on one bill, or owed, or paid by a lot: for its event, or for what was owed."""
    own: Counter[Lot] = Counter()
    billed = 0
    for piece in (piece for charge in account.charges.values() for piece in charge.pieces):
        if isinstance(piece.source, Billed):
            billed += piece.amount
        elif isinstance(piece.source, Lot):
            own[piece.source] += piece.amount
    _equal(account, "6 billed pieces", billed, account.billed())
    for lot in account.lots:
        _at_least_0(account, f"6 what {lot.id} spent less what it repaid", lot.spent - lot.repaid)
        _at_least_0(account, f"6 pieces of {lot.id} less what it spent on events", own[lot] - lot.spent + lot.repaid)


def check_chain(account: Account) -> None:
    """Sequences have no gap, balances follow from effects, and each hash from the one before."""
    last, balance = first_hash(account.name), 0
    for place, entry in enumerate(account.entries, start=1):
        balance += entry.lot_effect - entry.owed_effect
        last = chained_hash(last, hashed_fields(entry))
        _equal(account, "sequence", entry.sequence, place)
        _equal(account, f"balance after {place}", entry.balance_after, balance)
        if entry.hash != last:
            raise BrokenEquationError(f"{account.name}: the hash of entry {place} is not that of the chain")


def _equal(account: Account, equation: str, left: int, right: int) -> None:
    if left != right:
        raise BrokenEquationError(f"{account.name}: {equation}: {left} is not {right}")


def _at_least_0(account: Account, what: str, amount: int) -> None:
    if amount < 0:
        raise BrokenEquationError(f"{account.name}: {what} is {amount}")

"""What always holds, checked on every account that a checkpoint changed: a drift is named, never hidden.

With G granted, B burned, E expired, V voided, H held, C charged, R refunded, O owed, M billed.
"""

from schemas.account import AccountRow
from schemas.lot import Lot
from stream.rules.ledger.book import Book


def holds(book: Book) -> bool:
    """Whether every equation does."""
    row, held, owed, open_lots = book.row, book.row.held, book.row.owed, book.open
    if (
        row.granted != row.burned + row.expired + row.voided + held
        or row.charged - row.refunded != row.burned + owed + row.billed
        or row.balance != held - owed
    ):
        return False
    if len(open_lots) == 1 and not book.closed and not row.unstarted and not owed:
        lot = open_lots[0]
        return (
            lot.held == held > 0
            and lot.granted + lot.rolled_in == lot.spent + lot.expired + lot.voided + lot.rolled_out + held
            and not (lot.expired < 0 or lot.voided < 0 or lot.rolled_out < 0)
            and 0 <= lot.repaid <= lot.spent
            and lot.started
        )
    return not broken_laws(book)


def broken_laws(book: Book) -> list[str]:
    """Every equation that does not hold, with its figures; none of an account that is right."""
    found = _broken_totals(book.row)
    held = unstarted = 0
    for lot in book.open:
        held += lot.held
        if not lot.started:
            unstarted += lot.held
    row = book.row
    if row.held != held or row.unstarted != unstarted:
        found.append(f"H {row.held}, unstarted {row.unstarted}: lots hold {held}, {unstarted} of it not begun")
    if row.owed and held != unstarted:
        found.append(f"O {row.owed} is owed while usable lots hold {held - unstarted}")
    for lot in book.open:
        found += _broken_lot(lot)
    for lot in book.closed.values():
        found += _broken_lot(lot)
    return found


def _broken_totals(row: AccountRow) -> list[str]:
    found = []
    if row.granted != row.burned + row.expired + row.voided + row.held:
        found.append(f"G {row.granted} = B {row.burned} + E {row.expired} + V {row.voided} + H {row.held}")
    if row.charged - row.refunded != row.burned + row.owed + row.billed:
        sides = f"C {row.charged} - R {row.refunded} = B {row.burned} + O {row.owed} + M {row.billed}"
        found.append(sides)
    if row.balance != row.held - row.owed:
        found.append(f"the entries' balance {row.balance} = H {row.held} - O {row.owed}")
    if row.owed < 0 or row.held < 0:
        found.append(f"O {row.owed} and H {row.held} are not negative")
    return found


def _broken_lot(lot: Lot) -> list[str]:
    spent, held, repaid = lot.spent, lot.held, lot.repaid
    expired, voided, rolled_out = lot.expired, lot.voided, lot.rolled_out
    comes, goes = lot.granted + lot.rolled_in, spent + expired + voided + rolled_out + held
    if comes != goes or spent < 0 or expired < 0 or voided < 0 or rolled_out < 0 or held < 0:
        left = f"granted {lot.granted} + rolled in {lot.rolled_in}"
        right = f"spent {spent} + expired {expired} + voided {voided} + rolled out {rolled_out} + held {held}"
        return [f"lot {lot.id!r}: {left} = {right}, none of them negative"]
    if not 0 <= repaid <= spent:
        return [f"lot {lot.id!r} repaid {repaid} of the {spent} that it spent"]
    return []

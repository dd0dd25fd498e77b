"""What always holds, checked on one account: a drift is named, never hidden.

With G granted, B burned, E expired, V voided, H held, C charged, R refunded, O owed, M billed.
"""

from stream.rules.ledger.book import Book


def broken_laws(book: Book) -> list[str]:
    """Every equation that does not hold, with its figures; none of an account that is right."""
    row = book.row
    lots_hold = sum(lot.held for lot in book.open)
    waiting = sum(lot.held for lot in book.open if not lot.started)
    usable = sum(lot.held for lot in book.usable())
    laws = {
        f"G {row.granted} = B {row.burned} + E {row.expired} + V {row.voided} + H {row.held}": row.granted
        == row.burned + row.expired + row.voided + row.held,
        f"C {row.charged} - R {row.refunded} = B {row.burned} + O {row.owed} + M {row.billed}": row.charged
        - row.refunded
        == row.burned + row.owed + row.billed,
        f"balance {row.balance} = H {row.held} - O {row.owed}": row.balance == row.held - row.owed,
        f"H {row.held} is what lots hold, {lots_hold}": row.held == lots_hold,
        f"unstarted {row.unstarted} is what lots hold that have not begun, {waiting}": row.unstarted == waiting,
        f"owed {row.owed} = 0, or usable lots hold {usable} = 0": not row.owed or not usable,
        f"no total is negative: O {row.owed}, H {row.held}": min(row.owed, row.held, row.granted, row.charged) >= 0,
    }
    return [law for law, holds in laws.items() if not holds] + _broken_lots(book)


def _broken_lots(book: Book) -> list[str]:
    found = []
    for lot in book.lots():
        amounts = (lot.granted, lot.rolled_in, lot.spent, lot.expired, lot.voided, lot.rolled_out, lot.held)
        granted, rolled_in, spent, expired, voided, rolled_out, held = amounts
        if granted + rolled_in != spent + expired + voided + rolled_out + held or min(*amounts, lot.repaid) < 0:
            found.append(
                f"lot {lot.id!r}: granted {granted} + rolled in {rolled_in} = spent {spent} + expired {expired} + "
                f"voided {voided} + rolled out {rolled_out} + held {held}"
            )
        if lot.repaid > lot.spent:
            found.append(f"lot {lot.id!r} repaid {lot.repaid}, more than the {spent} it spent")
    return found

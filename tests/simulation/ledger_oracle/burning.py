"""Usage burns lots down; what no lot covers is overage, and every lot that becomes usable repays what is owed."""

from datetime import datetime

from tests.simulation.ledger_oracle.bills import add_to_bill
from tests.simulation.ledger_oracle.posting import Posting
from tests.simulation.ledger_oracle.state import Billed, Charge, Debt, Lot, Piece


def burn(posting: Posting, charge: Charge, amount: int, *, occurred_at: datetime | None) -> None:
    """The amount is split over lots in burn-down order; late usage may also draw on what they lost to expiry."""
    account = posting.account
    account.totals.charged += amount
    account.rollups[charge.rollup] = account.rollups.get(charge.rollup, 0) + amount
    charge.now += amount
    lots = [lot for lot in account.lots if lot.is_usable(posting.now) or _covers(lot, occurred_at)]
    for lot in sorted(lots, key=Lot.burn_order):
        is_late = lot.has_expired
        taken = min(amount, lot.expired if is_late else lot.held)
        if taken == 0:
            continue
        if is_late:
            lot.expired -= taken
            lot.held += taken
            account.totals.expired -= taken
            posting.write("expiry_reversed", taken, lot, lot_effect=taken, is_late=True)
        lot.held -= taken
        lot.spent += taken
        account.totals.burned += taken
        charge.pieces.append(Piece(lot, taken))
        posting.write("burned", taken, lot, lot_effect=-taken, is_late=is_late)
        amount -= taken
    if amount:
        _go_over(posting, charge, amount)


def _covers(lot: Lot, occurred_at: datetime | None) -> bool:
    """An expired lot in whose time the usage occurred."""
    if occurred_at is None or lot.expires_at is None or not lot.has_expired or lot.is_voided:
        return False
    return lot.effective_at <= occurred_at < lot.expires_at


def _go_over(posting: Posting, charge: Charge, amount: int) -> None:
    """Billed or carried as far as the period's limit goes; beyond it refused, which is owed like what is carried."""
    account, terms = posting.account, posting.account.overage()
    if terms.mode == "refused":
        within = 0
    elif terms.limit is None:
        within = amount
    else:
        within = min(amount, max(0, terms.limit - account.overage_in_period))
    account.overage_in_period += within
    owed = amount
    if terms.mode == "billed" and within:
        billed = Billed(account.period, terms.price, account.plan.currency if account.plan else "")
        add_to_bill(account, billed, within)
        charge.pieces.append(Piece(billed, within, account.period, within))
        posting.write("overage", within, billed_effect=within)
        owed, within = amount - within, 0
    if owed:
        debt = Debt(charge.event, owed)
        account.debts.append(debt)
        charge.pieces.append(Piece(debt, owed, account.period, within))
        posting.write("overage", owed, owed_effect=owed)


def repay(posting: Posting) -> None:
    """Usable lots in burn-down order repay the oldest debts first, until nothing is owed or they hold nothing."""
    account = posting.account
    for lot in account.usable_lots(posting.now):
        repaid = 0
        for debt in account.debts:
            paid = min(lot.held, debt.outstanding)
            if paid == 0:
                continue
            lot.held -= paid
            lot.spent += paid
            account.totals.burned += paid
            debt.outstanding -= paid
            debt.repaid.append(Piece(lot, paid))
            repaid += paid
        posting.write("repaid", repaid, lot, lot_effect=-repaid, owed_effect=-repaid)

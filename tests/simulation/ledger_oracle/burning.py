"""Usage burns lots down; what no lot covers is overage, and every lot that becomes usable repays what is owed."""

from datetime import datetime

from tests.simulation.ledger_oracle.bills import add_to_bill
from tests.simulation.ledger_oracle.posting import Posting
from tests.simulation.ledger_oracle.state import Billed, Charge, Lot, Piece


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
    refused = amount - within
    if terms.mode == "billed" and within:
        billed = Billed(account.period, terms.price, account.plan.currency if account.plan else "")
        add_to_bill(account, billed, within)
        charge.pieces.append(Piece(billed, within))
        posting.write("billed", within, billed_effect=within)
    else:
        _owe(posting, charge, within)
    _owe(posting, charge, refused)


def _owe(posting: Posting, charge: Charge, amount: int) -> None:
    if amount:
        posting.account.owed_now += amount
        charge.pieces.append(Piece("owed", amount))
        posting.write("owed", amount, owed_effect=amount)


def repay(posting: Posting) -> None:
    """Usable lots in burn-down order repay until nothing is owed or they hold nothing."""
    account = posting.account
    for lot in account.usable_lots(posting.now):
        paid = min(lot.held, account.owed_now)
        lot.held -= paid
        lot.spent += paid
        lot.repaid += paid
        account.totals.burned += paid
        account.owed_now -= paid
        posting.write("repaid", paid, lot, lot_effect=-paid, owed_effect=-paid)

"""How lots end: they expire, roll over, or are taken back."""

from tests.simulation.ledger_oracle.periods import later_end
from tests.simulation.ledger_oracle.posting import Posting, Rejected
from tests.simulation.ledger_oracle.records import Adjust, Plan, VoidGrant
from tests.simulation.ledger_oracle.state import Account, Lot, Room


def expire(posting: Posting, lot: Lot, amount: int) -> None:
    """So much of what the lot holds is lost to time."""
    lot.held -= amount
    lot.expired += amount
    posting.account.totals.expired += amount
    posting.write("expired", amount, lot, lot_effect=-amount)


def move(posting: Posting, lot: Lot, rollover: Lot, amount: int) -> None:
    """So much goes from a lot to its rollover, which is no grant."""
    lot.held -= amount
    lot.rolled_out += amount
    posting.write("rolled_out", amount, lot, lot_effect=-amount)
    rollover.held += amount
    rollover.rolled_in += amount
    posting.write("rolled_in", amount, rollover, lot_effect=amount)


def expire_due_lots(posting: Posting, rolling: Plan | None) -> None:
    """Every lot whose time is over, in burn-down order; those of a plan that rolls over come last."""
    due = [lot for lot in posting.account.lots if lot.expires_at and lot.expires_at <= posting.now]
    room: Room | None = None
    ended = sorted((lot for lot in due if not lot.has_expired), key=Lot.burn_order)
    rolls = rolling is not None and rolling.rollover is not None
    for lot in sorted(ended, key=lambda lot: rolls and lot.kind == "plan"):
        lot.has_expired = True
        if lot.kind == "plan" and not lot.is_voided and rolling and rolling.rollover:
            room = room or _room(posting, rolling.rollover.cap)
            _roll_over(posting, lot, rolling, room, min(lot.held, room.left))
            expire(posting, lot, lot.held)
        else:
            expire(posting, lot, lot.held)


def _room(posting: Posting, cap: int) -> Room:
    """The cap, less what older rollover lots hold; those that end now have ended, as they burn first."""
    older = sum(lot.held for lot in posting.account.lots if lot.kind == "rollover" and not lot.has_expired)
    return Room(max(0, cap - older))


def _roll_over(posting: Posting, lot: Lot, plan: Plan, room: Room, moved: int) -> None:
    """The rollover is there even when nothing is left to move: a refund may still come to it."""
    assert plan.rollover is not None
    rollover = Lot(
        id=f"rollover:{lot.id}",
        kind="rollover",
        priority=lot.priority,
        effective_at=lot.effective_at,
        expires_at=later_end(posting.now, next_anchor(posting.account), plan.rollover.periods),
        payment=lot.payment,
        moved_at=posting.now,
    )
    posting.account.lots.append(rollover)
    lot.rollover, lot.room = rollover, room
    room.left -= moved
    move(posting, lot, rollover, moved)


def next_anchor(account: Account) -> int:
    """Of the plan that comes into force at the period's end."""
    coming = account.scheduled if isinstance(account.scheduled, Plan) else account.plan
    return coming.anchor_day if coming else 1


def void_grant(posting: Posting, command: VoidGrant) -> None:
    """The lot and its rollover; what expired stays expired."""
    lot = _granted_lot(posting, command.grant)
    if lot.is_voided:
        raise Rejected("grant_voided")
    covered = [lot, lot.rollover] if lot.rollover else [lot]
    if command.amount is not None:
        if command.spent == "owe":
            raise Rejected("invalid_terms")
        if command.amount > sum(each.held for each in covered):
            raise Rejected("exceeds_available")
        _void_unspent(posting, covered, command.amount)
        return
    owes = command.spent == "owe" or (command.spent is None and lot.kind in ("top_up", "refill"))
    for each in covered:
        void_lot(posting, each)
    for each in covered if owes else ():
        _owe_spent(posting, each)


def void_lot(posting: Posting, lot: Lot) -> None:
    """What it holds; what is refunded to it later is taken back at once."""
    lot.is_voided = True
    void_part(posting, lot, lot.held)


def _owe_spent(posting: Posting, lot: Lot) -> None:
    """What it spent was not its to spend."""
    account, spent = posting.account, lot.spent
    lot.spent = lot.repaid = 0
    lot.voided += spent
    account.base = max(0, account.base - spent)
    account.totals.voided += spent
    account.totals.burned -= spent
    account.owed_now += spent
    posting.write("void_owed", spent, lot, owed_effect=spent)


def adjust_down(posting: Posting, command: Adjust) -> None:
    """Usable lots lose credits in burn-down order."""
    if -command.amount > posting.account.available(posting.now):
        raise Rejected("exceeds_available")
    _void_unspent(posting, posting.account.usable_lots(posting.now), -command.amount)


def _void_unspent(posting: Posting, lots: list[Lot], amount: int) -> None:
    for lot in lots:
        taken = min(amount, lot.held)
        void_part(posting, lot, taken)
        amount -= taken


def void_part(posting: Posting, lot: Lot, amount: int) -> None:
    """So much of what the lot holds is taken back; the lot stays."""
    lot.held -= amount
    lot.voided += amount
    account = posting.account
    if lot.effective_at <= posting.now:
        account.base = max(0, account.base - amount)
    account.totals.voided += amount
    posting.write("voided", amount, lot, lot_effect=-amount)


def _granted_lot(posting: Posting, grant: str) -> Lot:
    for lot in posting.account.lots:
        if lot.id == grant and lot.kind != "rollover" and lot.is_kept(posting.now):
            return lot
    raise Rejected("unknown_grant")

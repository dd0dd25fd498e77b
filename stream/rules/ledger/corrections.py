"""What was charged is corrected: an event is voided, wholly or in part, or priced anew."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from schemas.credits import LARGEST_TOTAL_MICROCREDITS
from schemas.dead_letter import Reason
from schemas.identifiers import Account
from schemas.ledger import Entry
from schemas.lot import Lot
from stream.rules.ledger.billing import line_of
from stream.rules.ledger.book import burn_order
from stream.rules.ledger.charge import charge as burn_down
from stream.rules.ledger.clock import end_lot
from stream.rules.ledger.posting import Posting
from stream.rules.outcome import Reject

CORRECTED_MS = 90 * 86_400_000
"""How long after its booking a charge may be corrected, and for how long what it is now is kept."""
MOST_CARDS = 16
"""By which one event is priced anew: its row of `corrections` is bounded."""


class Piece(Struct, array_like=True, gc=False):
    """A part of a charge: what one lot burned, what was owed, or what a bill's line took."""

    kind: Literal["burned", "owed", "billed"]
    amount: int
    lot: str = ""
    period_start_ms: int = 0
    price_micros: int = 0
    currency: str = ""


class ChargeNow(Struct, array_like=True, gc=False):
    """What an event's charge is now, after its corrections."""

    account: Account
    source: str
    id: str
    booked_at_ms: int
    pieces: list[Piece]
    is_voided: bool = False
    cards: list[str] = []

    @property
    def cost(self) -> int:
        """What it comes to."""
        return sum(piece.amount for piece in self.pieces)


def charge_of(entries: Iterable[Entry]) -> ChargeNow | None:
    """The charge that the entries of one event's first posting make up; None when it cost nothing."""
    made: ChargeNow | None = None
    for entry in entries:
        piece = piece_of(entry)
        if piece is not None:
            made = made or ChargeNow(entry.account, entry.source, entry.id, entry.ingested_at_ms, [])
            made.pieces.append(piece)
    return made


def piece_of(entry: Entry) -> Piece | None:
    """The piece of a charge that an entry stands for; None for grants, repayments and the like."""
    if entry.kind == "burned":
        return Piece("burned", -entry.lot_microcredits, entry.lot)
    if entry.kind == "owed":
        return Piece("owed", entry.owed_microcredits)
    if entry.kind == "billed":
        return Piece("billed", entry.billed_microcredits, "", entry.period_start_ms, entry.price_micros, entry.detail)
    return None


def is_too_old(charge: ChargeNow, now_ms: int) -> bool:
    """Whether it was booked so long ago that nothing corrects it."""
    return now_ms - charge.booked_at_ms > CORRECTED_MS


def void_event(posting: Posting, charge: ChargeNow | None, amount: int | None = None) -> bool | Reject:
    """Refund a charge as it stands now, or so much of it; False when it was voided before."""
    account = posting.row.account
    if charge is None:
        return Reject(Reason.CHARGE_NOT_FOUND, "no charge of that event was booked there", account)
    if is_too_old(charge, posting.now_ms):
        return Reject(Reason.TOO_OLD_TO_VOID, "it was booked more than 90 days ago: adjust instead", account)
    if charge.is_voided:
        return False
    back = charge.cost if amount is None else amount
    if not 0 <= back <= charge.cost:
        return Reject(Reason.INVALID_AMOUNT, f"{back} microcredits of a charge of {charge.cost}", account)
    charge.is_voided = True
    posting.about = f"{charge.source} {charge.id}"
    _give_back(posting, charge, back)
    return True


def reprice(posting: Posting, charge: ChargeNow, cost: int, card: str) -> bool | Reject:
    """Book the difference to what the event costs by that card; False when it was done, or the event was voided."""
    if is_too_old(charge, posting.now_ms):
        return Reject(Reason.TOO_OLD_TO_VOID, "it was booked more than 90 days ago", posting.row.account)
    if charge.is_voided or card in charge.cards:
        return False
    if len(charge.cards) >= MOST_CARDS:
        return Reject(Reason.INVALID_TERMS, f"{MOST_CARDS} cards priced it anew: adjust instead", posting.row.account)
    more = cost - charge.cost
    if posting.row.charged + more > LARGEST_TOTAL_MICROCREDITS:
        detail = f"with it the account would have used more than {LARGEST_TOTAL_MICROCREDITS} microcredits"
        return Reject(Reason.COST_TOO_LARGE, detail, posting.row.account)
    charge.cards.append(card)
    posting.about = f"{charge.source} {charge.id}"
    if more > 0:
        first = len(posting.entries)
        burn_down(posting, more, draws_late=False)
        charge.pieces += [piece for entry in posting.entries[first:] if (piece := piece_of(entry))]
    elif more < 0:
        _give_back(posting, charge, -more)
    return True


def _give_back(posting: Posting, charge: ChargeNow, rest: int) -> None:
    """Pieces come back last to first."""
    while rest:
        piece = charge.pieces[-1]
        amount = min(rest, piece.amount)
        if piece.kind == "billed":
            _credit_the_bill(posting, piece, amount)
        else:
            _give_back_piece(posting, piece.lot, amount)
        rest -= amount
        piece.amount -= amount
        if not piece.amount:
            charge.pieces.pop()
    posting.place()


def _credit_the_bill(posting: Posting, piece: Piece, amount: int) -> None:
    row = posting.row
    line = line_of(row, piece.period_start_ms, piece.price_micros, piece.currency)
    if piece.period_start_ms == row.period_start_ms:
        row.overage_used = max(0, row.overage_used - amount)
    posting.refund_billed(amount, line)


def _give_back_piece(posting: Posting, lot_id: str, amount: int) -> None:
    """First it reduces what is owed, whoever's; then its lot has it; then the lots that repaid, the last first."""
    book = posting.book
    lot = book.lot(lot_id) if lot_id else None
    own = 0 if lot is None else min(amount, lot.spent - lot.repaid)
    from_owed = min(amount, posting.row.owed)
    rest = amount - from_owed
    if from_owed:
        posting.refund_owed(from_owed)
        if lot is not None and own:
            # The lot stays spent: what it paid for the event repays somebody else's overage from now on.
            lot.repaid += min(from_owed, own)
            posting.touch(lot)
            own -= min(from_owed, own)
    if rest and lot is not None:
        own = min(rest, own)
        if own:
            _put_back(posting, lot, own)
        rest -= own
    if not rest:
        return
    if lot_id and lot is None:
        posting.refund_forgotten(lot_id, rest)
        return
    for each in sorted(book.lots(), key=burn_order, reverse=True):
        repaid = min(rest, each.repaid)
        if repaid:
            each.repaid -= repaid
            _put_back(posting, each, repaid)
            rest -= repaid
        if not rest:
            return
    posting.refund_forgotten(lot_id, rest)


def _put_back(posting: Posting, lot: Lot, amount: int) -> None:
    """Credits return to their lot, and share its fate."""
    posting.refund_lot(lot, amount)
    _share_fate(posting, lot, amount)


def _share_fate(posting: Posting, lot: Lot, amount: int) -> None:
    if lot.state == "voided":
        posting.void(lot, amount, was_counted=False)
    elif lot.state == "rolled":
        _roll_on(posting, lot, amount)
    elif lot.expires_at_ms <= posting.now_ms:
        end_lot(posting, lot)


def _roll_on(posting: Posting, lot: Lot, amount: int) -> None:
    """To the rollover as far as its cap had room; its siblings, which ended with it, share that room."""
    book = posting.book
    into = book.lot(lot.rollover)
    takes = into is not None and into.state == "open" and posting.now_ms < into.expires_at_ms
    moved = min(amount, lot.roll_room) if takes else 0
    if into is not None and moved:
        for each in book.lots():
            if each.state == "rolled" and each.expires_at_ms == lot.expires_at_ms:
                each.roll_room -= moved
                posting.touch(each)
        posting.roll(lot, into, moved)
    posting.expire(lot, amount - moved)

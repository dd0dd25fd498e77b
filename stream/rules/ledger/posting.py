"""A posting: all entries of one cause. Each move changes a lot, the totals and the entries together.

The moves are the rows of the table of operations: nothing else changes an amount.
"""

from msgspec import Struct

from schemas.account import AccountRow, BillLine
from schemas.identifiers import GrantId
from schemas.ledger import CauseKind, Entry, EntryKind
from schemas.lot import Lot
from schemas.notices import Notice
from stream.rules.ledger.book import Book


class Cause(Struct, frozen=True, gc=False):
    """Why something is posted: an event or command, with its place in its topic; or the clock, without."""

    kind: CauseKind
    source: str = ""
    id: str = ""
    offset: int = 0
    occurred_at_us: int = 0
    rate_card: str = ""


class Posting:
    """One cause's changes to one account at one instant of the ledger's clock.

    `about` is the event that a correction is about: entries that say nothing else name it.
    """

    def __init__(self, book: Book, cause: Cause, now_ms: int, version: int = 0, *, caught_up: bool = True) -> None:
        self.book = book
        self.row: AccountRow = book.row
        self.cause = cause
        self.now_ms = now_ms
        self.version = version
        self.caught_up = caught_up
        self.entries: list[Entry] = []
        self.notices: list[Notice] = []
        self.remaining_before = book.row.remaining
        self.was_closed = book.row.gate_closed
        self.about = ""
        self._touched: dict[str, Lot] = {}

    def grant(self, lot: Lot, amount: int, detail: str = "") -> None:
        """G and H grow; a lot that has not begun yet counts as unstarted."""
        row = self.row
        lot.granted += amount
        row.granted += amount
        row.grants += 1
        self._hold(lot, amount)
        self.write("granted", lot, amount, detail=detail)
        self._begin_or_wait(lot, amount)
        self.place()

    def start(self, lot: Lot) -> None:
        """A lot's time has come: what it holds is usable."""
        lot.started = True
        self.row.unstarted -= lot.held
        self.row.base += lot.held
        self.touch(lot)
        self.write("lot_started", lot)

    def burn(self, lot: Lot, amount: int, *, late: bool = False) -> None:
        """B grows, H shrinks."""
        lot.spent += amount
        self.row.burned += amount
        self._hold(lot, -amount)
        self.write("burned", lot, -amount, late=late)

    def reverse_expiry(self, lot: Lot, amount: int) -> None:
        """E shrinks, H grows: late usage draws on what the lot lost."""
        lot.expired -= amount
        self.row.expired -= amount
        self._hold(lot, amount)
        self.write("expiry_reversed", lot, amount, late=True)

    def owe(self, amount: int, detail: str) -> None:
        """O grows: overage that credits will repay."""
        self.row.owed += amount
        self.write("owed", owed=amount, detail=detail)

    def bill(self, amount: int, line: BillLine) -> None:
        """M grows: overage that money will pay, on a line of the current bill."""
        line.microcredits += amount
        self.row.billed += amount
        self.write("billed", billed=amount, line=line, detail=line.currency)

    def repay(self, lot: Lot, amount: int) -> None:
        """B grows, H and O shrink."""
        row = self.row
        lot.spent += amount
        lot.repaid += amount
        row.burned += amount
        row.owed -= amount
        self._hold(lot, -amount)
        self.write("repaid", lot, -amount, owed=-amount)

    def expire(self, lot: Lot, amount: int) -> None:
        """E grows, H shrinks."""
        lot.expired += amount
        self.row.expired += amount
        self._hold(lot, -amount)
        if amount:
            self.write("expired", lot, -amount)

    def roll(self, lot: Lot, into: Lot, amount: int) -> None:
        """Credits move from one lot to another: no total changes."""
        lot.rolled_out += amount
        into.rolled_in += amount
        self._hold(lot, -amount)
        self._hold(into, amount)
        self.write("rolled_out", lot, -amount)
        self.write("rolled_in", into, amount)

    def void(self, lot: Lot, amount: int, detail: str = "", *, was_counted: bool = True) -> None:
        """V grows, H shrinks, and so does the period's base if the credits were counted in it."""
        lot.voided += amount
        self.row.voided += amount
        self._hold(lot, -amount)
        if not lot.started:
            self.row.unstarted -= amount
        elif was_counted:
            self.row.base = max(0, self.row.base - amount)
        self.write("voided", lot, -amount, detail=detail)

    def void_spent(self, lot: Lot, detail: str = "") -> None:
        """What the lot spent was not its to spend: B shrinks, V and O grow."""
        row, amount = self.row, lot.spent
        lot.spent = lot.repaid = 0
        lot.voided += amount
        row.burned -= amount
        row.voided += amount
        row.owed += amount
        row.base = max(0, row.base - amount)
        self.touch(lot)
        self.write("void_owed", lot, owed=amount, detail=detail)

    def refund_lot(self, lot: Lot, amount: int) -> None:
        """R and H grow, B shrinks."""
        lot.spent -= amount
        self.row.burned -= amount
        self.row.refunded += amount
        self._hold(lot, amount)
        self.write("refunded", lot, amount)

    def refund_owed(self, amount: int) -> None:
        """R grows, O shrinks."""
        self.row.refunded += amount
        self.row.owed -= amount
        self.write("refunded", owed=-amount)

    def refund_billed(self, amount: int, line: BillLine) -> None:
        """R grows, M shrinks, and so does the line."""
        line.microcredits -= amount
        self.row.refunded += amount
        self.row.billed -= amount
        self.write("refunded", billed=-amount, line=line, detail=f"{self.about} {line.currency}".lstrip())

    def refund_forgotten(self, lot_id: str, amount: int) -> None:
        """R and E grow, B shrinks: the lot ended more than 90 days ago, what comes back to it expires at once."""
        row = self.row
        row.burned -= amount
        row.refunded += amount
        row.expired += amount
        gone = Lot(row.account, GrantId(lot_id), "plan", 0, 0)
        self.write("refunded", gone, amount)
        self.write("expired", gone, -amount)

    def write(
        self,
        kind: EntryKind,
        lot: Lot | None = None,
        effect: int = 0,
        owed: int = 0,
        billed: int = 0,
        *,
        late: bool = False,
        line: BillLine | None = None,
        detail: str = "",
    ) -> None:
        """Add an entry, with its effects and the balance after it."""
        row, cause = self.row, self.cause
        row.sequence += 1
        row.balance += effect - owed
        if lot is not None and not lot.held:
            # Closed lots are kept for so long after their last entry: a refund that expires at once is one.
            lot.closed_at_ms = self.now_ms
        self.entries.append(
            Entry(
                row.account,
                row.sequence,
                kind,
                effect,
                owed,
                billed,
                row.balance,
                "" if lot is None else lot.id,
                cause.kind,
                cause.source,
                cause.id,
                cause.offset,
                cause.rate_card,
                cause.occurred_at_us,
                self.now_ms,
                0,
                late,
                0 if line is None else line.price_micros,
                0 if line is None else line.period_start_ms,
                detail or self.about,
            )
        )

    def touch(self, lot: Lot) -> None:
        """Note that the lot changed: its row is written, and it is put into its place."""
        lot.version = self.version
        self._touched[lot.id] = lot

    def place(self) -> None:
        """Put every lot that changed where it belongs now."""
        for lot in self._touched.values():
            self.book.place(lot, self.now_ms)
        self._touched.clear()

    def _hold(self, lot: Lot, amount: int) -> None:
        lot.held += amount
        self.row.held += amount
        self.touch(lot)

    def _begin_or_wait(self, lot: Lot, amount: int) -> None:
        if lot.effective_at_ms <= self.now_ms:
            lot.started = True
            self.row.base += amount
        else:
            self.row.unstarted += amount

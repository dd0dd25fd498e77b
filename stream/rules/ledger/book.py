"""An account in memory: its row, its lots, and what spares the next charge a look at them."""

from bisect import insort
from collections.abc import Iterator

from schemas.account import AccountRow, BillLine
from schemas.ledger import first_hash
from schemas.lot import NEVER_MS, Lot
from schemas.plan import OveragePolicy

FORGET_CLOSED_MS = 90 * 86_400_000
"""How long closed lots are kept: for late usage, and for refunds."""


class Book:
    """`open` lots hold something, in burn-down order; `closed` ones hold nothing, by their ids.

    `first`, `room`, `quiet_until_ms` and `late_before_us` say which charges are simple ones: those below `room`, before
    `quiet_until_ms`, of events that did not occur before `late_before_us`, burn down `first` and nothing else happens;
    or, if no usable lot holds anything, they are all overage: owed, or on `line` of the bill, as `overage` says.
    `due_at_ms` is when the clock has something to do. A simple charge is taken from `room` alone; the balance after it
    is `room` and `balance_over_room`.

    From `head` to `updated_at_ms` is the row's as simple charges move it; row and lot follow with `absorb`, before
    anybody looks at them. `version` is the checkpoint that writes what changed last.

    `forgotten` names closed lots that were dropped since it was last emptied: their rows are to be removed.
    """

    __slots__ = (
        "absorbed_room",
        "account",
        "balance_over_room",
        "closed",
        "due_at_ms",
        "events",
        "first",
        "first_id",
        "forgotten",
        "head",
        "late_before_us",
        "line",
        "messages",
        "open",
        "overage",
        "quiet_until_ms",
        "room",
        "row",
        "sequence",
        "updated_at_ms",
        "version",
    )

    def __init__(self, row: AccountRow, lots: list[Lot] | None = None) -> None:
        self.row = row
        self.account = row.account
        self.open: list[Lot] = sorted((lot for lot in lots or () if lot.held), key=burn_order)
        self.closed: dict[str, Lot] = {lot.id: lot for lot in lots or () if not lot.held}
        self.first: Lot | None = None
        self.first_id = ""
        self.line: BillLine | None = None
        self.overage: OveragePolicy = "refused"
        self.room = 0
        self.absorbed_room = 0
        self.balance_over_room = 0
        self.quiet_until_ms = 0
        self.late_before_us = 0
        self.due_at_ms = NEVER_MS
        self.forgotten: list[str] = []
        self.version = row.version
        self.head = row.head or first_hash(row.account)
        self.follow()

    def follow(self) -> None:
        """Go on from what the row says."""
        row = self.row
        self.sequence, self.events, self.messages = row.sequence, row.events, row.messages
        self.updated_at_ms = row.updated_at_ms

    def burn_from(self, lot: Lot | None, room: int) -> None:
        """Simple charges burn this lot, if there is one, and may take so much."""
        self.first = lot
        self.first_id = "" if lot is None else lot.id
        self.room = self.absorbed_room = room
        self.balance_over_room = self.row.balance - room

    def absorb(self, version: int) -> None:
        """Let row and lot follow the simple charges since the last time, as part of that checkpoint."""
        row, lot, taken = self.row, self.first, self.absorbed_room - self.room
        row.sequence, row.events, row.messages = self.sequence, self.events, self.messages
        row.updated_at_ms, row.head = self.updated_at_ms, self.head
        if not taken:
            return
        self.absorbed_room = self.room
        row.charged += taken
        if lot is not None:
            lot.held -= taken
            lot.spent += taken
            lot.version = version
            row.burned += taken
            row.held -= taken
            row.balance -= taken
            return
        if self.overage != "refused":
            row.overage_used += taken
        if self.line is not None:
            self.line.microcredits += taken
            row.billed += taken
        else:
            row.owed += taken
            row.balance -= taken

    def usable(self) -> list[Lot]:
        """Lots that have begun and hold something, in burn-down order."""
        return [lot for lot in self.open if lot.started]

    def lots(self) -> Iterator[Lot]:
        """Every lot that is kept."""
        yield from self.open
        yield from self.closed.values()

    def lot(self, name: str) -> Lot | None:
        """The lot of that id, if it is kept."""
        found = self.closed.get(name)
        return found or next((lot for lot in self.open if lot.id == name), None)

    def place(self, lot: Lot, now_ms: int) -> None:
        """Put a lot where what it holds says: among the open ones or the closed ones."""
        place = next((at for at, each in enumerate(self.open) if each is lot), None)
        if lot.held and place is None:
            self.closed.pop(lot.id, None)
            lot.closed_at_ms = 0
            insort(self.open, lot, key=burn_order)
        elif not lot.held:
            if place is not None:
                del self.open[place]
            if lot.id not in self.closed:
                lot.closed_at_ms = now_ms
                self.closed[lot.id] = lot


def burn_order(lot: Lot) -> tuple[int, int, int, str]:
    """Lower priority first, then what ends sooner, began earlier, and by id."""
    return lot.priority, lot.expires_at_ms, lot.effective_at_ms, lot.id

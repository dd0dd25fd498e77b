"""An account in memory: its row, its lots, and what spares the next charge a look at them."""

from bisect import insort
from collections.abc import Iterator

import msgspec

from schemas.account import NOTHING_POSTED, AccountRow, BalanceRow, BillLine, Opening, account_now, opened, take
from schemas.identifiers import Account
from schemas.ledger import first_hash
from schemas.lot import NEVER_MS, Lot, free_grant_name
from schemas.plan import OveragePolicy

FORGET_CLOSED_MS = 90 * 86_400_000
"""How long closed lots are kept: for late usage, and for refunds."""


_encode = msgspec.msgpack.Encoder().encode
_NOT_POSTED = msgspec.Raw(b"")
_UNNAMED = Account("")


class _Charged:
    """What every simple charge reads or moves: slots of a base class lie together, in fewer cache lines."""

    __slots__ = (
        "account",
        "balance_over_room",
        "events",
        "first_id",
        "head",
        "late_before_us",
        "lines",
        "messages",
        "quiet_until_ms",
        "room",
        "sequence",
        "updated_at_ms",
        "version",
    )


class Book(_Charged):
    """`open` lots hold something, in burn-down order; `closed` ones hold nothing, by their ids.

    `first`, `room`, `quiet_until_ms` and `late_before_us` say which charges are simple ones: those below `room`, before
    `quiet_until_ms`, of events that did not occur before `late_before_us`, burn down `first` and nothing else happens;
    or, if no usable lot holds anything, they are all overage: owed, or on `line` of the bill, as `overage` says.
    `due_at_ms` is when the clock has something to do. A simple charge is taken from `room` alone; the balance after it
    is `room` and `balance_over_room`.

    `sequence`, `head`, `events`, `messages` and `updated_at_ms` are the row's as simple charges move them; row and lot
    follow with `absorb`, before anybody looks at them. Row and lots of a book that was `opened` are made when somebody
    does, from `opening` or from the row that was kept at rest: most accounts are never posted to, and the rows of a
    million are in no processor's cache. `version` is the checkpoint that writes what changed last. `posted` is the row
    as the last posting left it, encoded, or nil while nothing was but `opening`; `posted_room` and `posted_remaining`
    are those of then.

    `forgotten` names closed lots that were dropped since it was last emptied: their rows are to be removed.
    """

    __slots__ = (
        "_closed",
        "_kept",
        "_open",
        "_row",
        "absorbed_room",
        "asks",
        "due_at_ms",
        "first",
        "forgotten",
        "line",
        "opening",
        "overage",
        "posted",
        "posted_remaining",
        "posted_room",
    )

    def __init__(self, row: AccountRow, lots: list[Lot] | None = None) -> None:
        self._begin(row.account)
        self._row: AccountRow | None = row
        self._open = sorted((lot for lot in lots or () if lot.held), key=burn_order)
        self._closed: dict[str, Lot] = {lot.id: lot for lot in lots or () if not lot.held}
        self.version = row.version
        self.head = row.head or first_hash(row.account)
        self.follow()

    @classmethod
    def opened(cls, account: Account, opening: Opening) -> "Book":
        """An account that has a first lot, the free one, and no other."""
        book = cls._unmade(account, opening)
        book.head = first_hash(account)
        book.sequence = 1
        book.events = book.messages = book.version = 0
        book.updated_at_ms = opening.opened_at_ms
        return book

    @classmethod
    def reopened(cls, row: BalanceRow, opening: Opening) -> "Book":
        """The same when simple charges moved it since, and its row is all that there is of it."""
        book = cls._unmade(row.account, opening)
        book._kept = row
        book.room = book.absorbed_room = opening.granted - row.taken
        book.sequence, book.head, book.version = row.sequence, row.head, row.version
        book.events, book.messages, book.updated_at_ms = row.events, row.messages, row.updated_at_ms
        return book

    @classmethod
    def _unmade(cls, account: Account, opening: Opening) -> "Book":
        book = cls.__new__(cls)
        book._begin(account)
        book._row = None
        book.opening = opening
        book.posted = NOTHING_POSTED
        book.lines = ()
        book.first_id = free_grant_name(account)
        book.room = book.absorbed_room = book.posted_room = book.posted_remaining = opening.granted
        book.quiet_until_ms = opening.period_end_ms
        return book

    def _begin(self, account: Account) -> None:
        self.account = account
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
        self.forgotten: tuple[str, ...] = ()
        self.asks = False
        self.opening: Opening | None = None
        self._kept: BalanceRow | None = None
        self.posted = _NOT_POSTED
        self.posted_room = self.posted_remaining = 0

    @property
    def row(self) -> AccountRow:
        """The account's row; see `absorb`."""
        row = self._row
        return self._made() if row is None else row

    @property
    def open(self) -> list[Lot]:
        """Lots that hold something, in burn-down order."""
        if self._row is None:
            self._made()
        return self._open

    @property
    def closed(self) -> dict[str, Lot]:
        """Lots that hold nothing, by their ids."""
        if self._row is None:
            self._made()
        return self._closed

    @property
    def is_made(self) -> bool:
        """Whether there is a row, and lots beside the first."""
        return self._row is not None

    def _made(self) -> AccountRow:
        """Make row and lot of a book that was opened; simple charges since are not in them yet."""
        opening = self.opening
        assert opening is not None  # noqa: S101  only a book that was opened is not made
        kept, self._kept = self._kept, None
        row = self._row = opened(self.account, opening) if kept is None else account_now(kept)
        lot, row.first_lot = row.first_lot, None
        assert lot is not None  # noqa: S101  see `opened`
        self._open, self._closed = [lot], {}
        self.first = lot
        return row

    def follow(self) -> None:
        """Go on from what the row says."""
        row = self.row
        self.sequence, self.events, self.messages = row.sequence, row.events, row.messages
        self.updated_at_ms = row.updated_at_ms
        self.lines = row.lines

    def burn_from(self, lot: Lot | None, room: int) -> None:
        """Simple charges burn this lot, if there is one, and may take so much."""
        self.first = lot
        self.first_id = "" if lot is None else lot.id
        self.room = self.absorbed_room = room
        self.balance_over_room = self.row.balance - room

    def absorb(self, version: int) -> None:
        """Let row and lot follow the simple charges since the last time, as part of that checkpoint."""
        row, taken = self.row, self.absorbed_room - self.room
        lot = self.first
        if taken and lot is not None:
            lot.version = version
        take(row, lot, self.line, taken, self.events, carries=self.overage != "refused")
        self.absorbed_room = self.room
        row.sequence, row.messages = self.sequence, self.messages
        row.updated_at_ms, row.head = self.updated_at_ms, self.head
        row.version = self.version

    @property
    def remaining(self) -> int:
        """What is left now."""
        if self._row is None:
            return self.room
        taken = 0 if self.line is not None else self.absorbed_room - self.room
        return self._row.remaining - taken

    def encoded(self, version: int) -> bytes:
        """The account's row as it is written; `post` was called since the last posting."""
        taken = self.posted_room - self.room
        return _encode(
            BalanceRow(
                self.account,
                version,
                self.due_at_ms,
                self.asks,
                self.posted_remaining if self.line is not None else self.posted_remaining - taken,
                taken,
                self.sequence,
                self.head,
                self.events,
                self.messages,
                self.updated_at_ms,
                "" if self.first_id else self.overage,
                self.posted,
                self.opening,
            )
        )

    def post(self, *, with_first_lot: bool = True) -> None:
        """Keep the row, which was absorbed, as what later ones are written with."""
        row = self.row
        if with_first_lot:
            row.first_lot = self.first
        row.account = _UNNAMED
        self.posted = msgspec.Raw(_encode(row))
        row.account = self.account
        row.first_lot = None
        self.opening = None
        self.posted_room, self.posted_remaining = self.room, row.remaining

    def unpost(self) -> None:
        """Have the row made anew when it is written next."""
        self.opening = None
        self.posted = _NOT_POSTED

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

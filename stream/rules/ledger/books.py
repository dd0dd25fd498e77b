"""The accounts of a partition: those used lately as books, all others at rest as bytes.

At rest an account is its rows as they are written: about 0.5 KB with three lots, a fifth of what its objects take.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from schemas.account import AccountRow
from schemas.identifiers import Account
from schemas.lot import Lot
from stream.rules.ledger.book import Book
from stream.rules.ledger.settle import find_overage

MOST_AWAKE = 20_000
"""Books in each of the two generations that are awake."""


class _Resting(Struct, array_like=True, gc=False):
    """A book as it is kept at rest; what it says of the next charge with it, so that waking it looks at no lot."""

    row: AccountRow
    open: list[Lot]
    closed: list[Lot]
    room: int
    quiet_until_ms: int
    late_before_us: int
    due_at_ms: int
    forgotten: list[str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Resting).decode
_UNNAMED = Account("")
_AWAKE = b""


class Books:
    """Books by account. A book that changed must not be put to rest before its rows were written: see `rest`."""

    def __init__(self, most_awake: int = MOST_AWAKE) -> None:
        self.recent: dict[str, Book] = {}
        self._older: dict[str, Book] = {}
        # Every account has its place here, awake or not, so that its name is kept once.
        self._resting: dict[str, bytes] = {}
        self._most_awake = most_awake

    def __len__(self) -> int:
        return len(self._resting)

    def __iter__(self) -> Iterator[str]:
        return iter(self._resting)

    def __contains__(self, account: object) -> bool:
        return account in self._resting

    def get(self, account: str) -> Book | None:
        """The account's book, awake; None when it has none."""
        book = self.recent.get(account)
        if book is not None:
            return book
        book = self._older.pop(account, None)
        if book is None:
            resting = self._resting.get(account)
            if resting is None:
                return None
            book = _waked(resting)
            self._resting[account] = _AWAKE
        self.recent[book.row.account] = book
        return book

    def add(self, book: Book) -> None:
        """A new account."""
        self._resting[book.row.account] = _AWAKE
        self.recent[book.row.account] = book

    def add_resting(self, book: Book) -> None:
        """An account that was restored: a million of them are not awake at once."""
        self._resting[book.row.account] = _at_rest(book)

    def rest(self) -> None:
        """Put to rest what was not used for a generation; only right after every change was encoded."""
        if len(self.recent) >= self._most_awake:
            for account, book in self._older.items():
                self._resting[account] = _at_rest(book)
            self._older, self.recent = self.recent, {}


def _at_rest(book: Book) -> bytes:
    for lot in book.lots():
        lot.account = _UNNAMED
    closed = list(book.closed.values())
    return _encode(
        _Resting(
            book.row,
            book.open,
            closed,
            book.room,
            book.quiet_until_ms,
            book.late_before_us,
            book.due_at_ms,
            book.forgotten,
        )
    )


def _waked(resting: bytes) -> Book:
    kept = _decode(resting)
    book = Book(kept.row)
    book.open = kept.open
    book.closed = {lot.id: lot for lot in kept.closed}
    for lot in book.lots():
        lot.account = kept.row.account
    find_overage(book)
    book.burn_from(next((lot for lot in kept.open if lot.started), None), kept.room)
    book.quiet_until_ms = kept.quiet_until_ms
    book.late_before_us, book.due_at_ms = kept.late_before_us, kept.due_at_ms
    book.forgotten = kept.forgotten
    return book

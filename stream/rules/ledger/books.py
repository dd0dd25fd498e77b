"""The accounts of a partition: those used lately as books, all others at rest as bytes.

At rest an account is its rows as they are written: about 0.5 KB with three lots, a fifth of what its objects take.
"""

from collections.abc import Iterator

import msgspec

from schemas.account import AccountRow
from schemas.lot import Lot
from stream.rules.ledger.book import Book
from stream.rules.ledger.settle import refresh

MOST_AWAKE = 20_000
"""Books in each of the two generations that are awake."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[AccountRow, list[Lot]]).decode


class Books:
    """Books by account. A book that changed must not be put to rest before its rows were written: see `rest`."""

    def __init__(self, most_awake: int = MOST_AWAKE) -> None:
        self.recent: dict[str, Book] = {}
        self._older: dict[str, Book] = {}
        self._resting: dict[str, bytes] = {}
        self._most_awake = most_awake

    def __len__(self) -> int:
        return len(self.recent) + len(self._older) + len(self._resting)

    def __iter__(self) -> Iterator[str]:
        yield from self.recent
        yield from self._older
        yield from self._resting

    def __contains__(self, account: object) -> bool:
        return account in self.recent or account in self._older or account in self._resting

    def get(self, account: str, now_ms: int, *, caught_up: bool = True) -> Book | None:
        """The account's book, awake; None when it has none."""
        book = self.recent.get(account)
        if book is not None:
            return book
        book = self._older.pop(account, None)
        if book is None:
            resting = self._resting.pop(account, None)
            if resting is None:
                return None
            book = Book(*_decode(resting))
            refresh(book, now_ms, caught_up=caught_up)
        self.recent[book.row.account] = book
        return book

    def add(self, book: Book) -> None:
        """A new account, or one that was restored."""
        self.recent[book.row.account] = book

    def rest(self) -> None:
        """Put to rest what was not used for a generation; only right after every change was written."""
        if len(self.recent) >= self._most_awake:
            for account, book in self._older.items():
                self._resting[account] = _encode((book.row, list(book.lots())))
            self._older, self.recent = self.recent, {}

"""The accounts of a partition: those used lately as books, all others at rest as bytes.

At rest an account is its rows as they are written: about 0.5 KB with three lots, a fifth of what its objects take.
"""

from collections.abc import Iterator

import msgspec

from schemas.account import BalanceHead, account_now, decode_balance
from schemas.identifiers import Account
from schemas.lot import Lot
from stream.rules.ledger.book import Book
from stream.rules.ledger.settle import refresh

MOST_AWAKE = 20_000
"""Books in each of the two generations that are awake."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[msgspec.Raw, list[Lot]]).decode
_decode_head = msgspec.msgpack.Decoder(tuple[BalanceHead, msgspec.Raw]).decode
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
        return self.recent.get(account) or self.recall(account)

    def recall(self, account: str) -> Book | None:
        """The same, for an account that is not among the recent ones."""
        resting = self._resting.get(account)
        if resting is None:
            return None
        if resting:
            book = _waked(resting)
            self._resting[book.account] = _AWAKE
        else:
            book = self._older.pop(account)
        self.recent[book.account] = book
        return book

    def remaining(self) -> list[tuple[int, str]]:
        """What every account has left, in microcredits, and its name."""
        found: list[tuple[int, str]] = []
        for account, resting in list(self._resting.items()):
            if resting:
                left = _decode_head(resting)[0].remaining
            else:
                left = (self.recent.get(account) or self._older[account]).remaining
            found.append((left, account))
        return found

    def add(self, book: Book) -> None:
        """A new account."""
        self._resting[book.account] = _AWAKE
        self.recent[book.account] = book

    def add_resting(self, account: str, row: bytes, lots: list[bytes]) -> BalanceHead:
        """An account that was restored, by its rows as they were written: a million of them are not awake at once."""
        resting = _encode((msgspec.Raw(row), [msgspec.Raw(lot) for lot in lots]))
        self._resting[account] = resting
        return _decode_head(resting)[0]

    def rest(self) -> None:
        """Put to rest what was not used for a generation; only right after every change was encoded."""
        if len(self.recent) >= self._most_awake:
            for account, book in self._older.items():
                self._resting[account] = _at_rest(book)
            self._older, self.recent = self.recent, {}


def _at_rest(book: Book) -> bytes:
    lots = [lot for lot in book.lots() if lot is not book.first] if book.is_made else []
    for lot in lots:
        lot.account = _UNNAMED
    if not book.posted:
        book.post()
    return _encode((msgspec.Raw(book.encoded(book.version)), lots))


def _waked(resting: bytes) -> Book:
    balance, rows = _decode(resting)
    now = decode_balance(balance)
    if now.opening is not None:
        return Book.reopened(now, now.opening)
    row = account_now(now)
    lots = {lot.id: lot for lot in rows}
    first, row.first_lot = row.first_lot, None
    if first is not None:
        # Whatever changed of an account, its row was written with it: none of its lots is newer.
        lots[first.id] = first
    for lot in lots.values():
        lot.account = row.account
    book = Book(row, list(lots.values()))
    refresh(book)
    return book

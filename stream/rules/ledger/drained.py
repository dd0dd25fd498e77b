"""What a checkpoint writes of a ledger: entries, notices, and the rows that changed."""

from collections.abc import Container, Iterable

import msgspec
from msgspec import Struct

from schemas.account import BalanceHead
from schemas.ledger import Entry
from schemas.lot import Lot
from schemas.notices import Notice
from stream.rules.ledger.book import Book
from stream.rules.ledger.laws import broken_laws, holds
from stream.rules.ledger.sealing import Sealed

Row = tuple[bytes, bytes | None]

LARGEST_ROW_BYTES = 2_047
"""Of an account's row; its first lot has a row of its own where both together would be larger."""

encode_row = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(BalanceHead).decode
_decode_lot = msgspec.msgpack.Decoder(Lot).decode


class Drained(Struct, frozen=True, gc=False):
    """Sealed entries in booking order, notices, and rows: key and bytes, none of those that were forgotten.

    `drift` says which equations do not hold, of which account; nothing, or the ledger is wrong.
    """

    sealed: Sealed
    notices: list[Notice]
    accounts: list[Row]
    lots: list[Row]
    drift: list[str]

    @property
    def entries(self) -> list[Entry]:
        """The entries, read again."""
        return self.sealed.entries()


NOTHING_DRAINED = Drained(Sealed(), [], [], [], [])


class Rows:
    """Encodes what changed of accounts: each is looked at once, since most of them are in no processor's cache."""

    def __init__(self, version: int) -> None:
        self.accounts: list[Row] = []
        self.lots: list[Row] = []
        self.drift: list[str] = []
        self._version = version

    def add(self, books: Iterable[Book], posted: Container[str]) -> None:
        """Books that changed; those that are not among the `posted` were charged simply."""
        version, accounts = self._version, self.accounts
        for book in books:
            account = book.account
            has_first = True
            if not book.posted or account in posted:
                has_first = self._post(book)
            accounts.append((account.encode(), book.encoded(version)))
            if not has_first:
                # What simple charges take next is not in that row: the next one is made anew, and so is the lot's.
                book.unpost()

    def _post(self, book: Book) -> bool:
        """Make row and lots anew; whether the row has the first lot with it."""
        version = self._version
        book.absorb(version)
        if not holds(book):
            self.drift += [f"account {book.account!r}: {broken}" for broken in broken_laws(book)]
        first = book.first
        book.post()
        if len(book.encoded(version)) > LARGEST_ROW_BYTES:
            book.post(with_first_lot=False)
            first = None
        self._add_lots(book, first)
        return first is book.first

    def _add_lots(self, book: Book, first: Lot | None) -> None:
        version = self._version
        if book.forgotten:
            self.lots += [(lot_key(book.account, lot), None) for lot in book.forgotten]
            book.forgotten = ()
        for lot in book.lots():
            if lot.version == version and lot is not first:
                self.lots.append((lot_key(book.account, lot.id), encode_row(lot)))


def lot_key(account: str, lot: str) -> bytes:
    """The key of a lot's row, whatever characters the names have."""
    return msgspec.json.encode((account, lot))


def version_of_account(row: bytes) -> int:
    """The checkpoint that wrote an account's row."""
    version: int = _decode_head(row).version
    return version


def version_of_lot(row: bytes) -> int:
    """The checkpoint that wrote a lot's row."""
    return _decode_lot(row).version

"""What a checkpoint writes of a ledger: entries, notices, and the rows that changed."""

import msgspec

from schemas.ledger import Entry, entry_of
from schemas.notices import Notice
from stream.rules.ledger.book import Book
from stream.rules.ledger.sealing import Sealed

LARGEST_ROW_BYTES = 2_047
"""Of an account's row; its first lot has a row of its own where both together would be larger."""

encode_row = msgspec.msgpack.Encoder().encode


class Drained:
    """Sealed entries in booking order, notices, and the books that changed; ask before anything else is booked."""

    def __init__(self, sealed: list[Sealed], notices: list[Notice], books: list[Book], version: int) -> None:
        self.sealed = sealed
        self.notices = notices
        self.books = books
        self._version = version
        self._alone: set[int] = set()

    @property
    def entries(self) -> list[Entry]:
        """The entries, read again."""
        return [entry_of(line, previous) for previous, line in self.sealed]

    def accounts(self) -> list[tuple[bytes, bytes]]:
        """Key and row of each account, with the lot that charges burn."""
        rows: list[tuple[bytes, bytes]] = []
        for book in self.books:
            row = book.row
            row.first_lot = book.first
            value = encode_row(row)
            row.first_lot = None
            if len(value) > LARGEST_ROW_BYTES:
                value = encode_row(row)
                self._alone.add(id(book))
            rows.append((book.account.encode(), value))
        return rows

    def lots(self) -> list[tuple[bytes, bytes | None]]:
        """Key and row of the other lots that changed, none of those that were forgotten; after `accounts`."""
        version, alone = self._version, self._alone
        rows: list[tuple[bytes, bytes | None]] = []
        for book in self.books:
            first = None if id(book) in alone else book.first
            if book.forgotten:
                rows += [(lot_key(book.account, lot), None) for lot in book.forgotten]
                book.forgotten = []
            for lot in book.open:
                if lot.version == version and lot is not first:
                    rows.append((lot_key(book.account, lot.id), encode_row(lot)))
            for lot in book.closed.values():
                if lot.version == version:
                    rows.append((lot_key(book.account, lot.id), encode_row(lot)))
        return rows


def lot_key(account: str, lot: str) -> bytes:
    """The key of a lot's row, whatever characters the names have."""
    return msgspec.json.encode((account, lot))

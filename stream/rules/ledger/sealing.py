"""Chains entries: each follows the hash of its account's entry before, and is kept as the line that was hashed."""

from collections.abc import Iterable
from hashlib import sha256

from msgspec import Struct

from schemas.ledger import Entry, canonical_json, entry_of
from stream.rules.ledger.book import Book


class Sealed(Struct, gc=False):
    """Entries in booking order: the canonical JSON of each, and the hash before it."""

    previous: list[bytes] = []
    lines: list[bytes] = []

    def seal(self, book: Book, entries: Iterable[Entry], booked_at_ms: int) -> None:
        """Chain an account's entries."""
        for entry in entries:
            entry.booked_at_ms = booked_at_ms
            entry.previous = book.head
            self.add(book, canonical_json(entry))

    def add(self, book: Book, line: bytes) -> None:
        """Chain an account's next entry, by its canonical JSON."""
        previous = book.head
        self.previous.append(previous)
        self.lines.append(line)
        book.head = sha256(previous + line).digest()

    def entries(self) -> list[Entry]:
        """The entries, read again."""
        return list(map(entry_of, self.lines, self.previous))

"""Chains entries: each follows the hash of its account's entry before, and is kept as the line that was hashed."""

from collections.abc import Iterable

from schemas.ledger import Entry, canonical_json, entry_hash
from stream.rules.ledger.book import Book

Sealed = tuple[bytes, bytes]
"""The hash before an entry, and the entry's canonical JSON."""


def seal(book: Book, entries: Iterable[Entry], booked_at_ms: int, into: list[Sealed]) -> None:
    """Chain an account's entries in booking order."""
    for entry in entries:
        entry.booked_at_ms = booked_at_ms
        entry.previous = book.head
        into.append((entry.previous, canonical_json(entry)))
        book.head = entry_hash(entry)

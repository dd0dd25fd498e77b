"""An account's chain of entries, followed from its first to the first place where it does not hold."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from schemas.ledger import Entry, entry_hash, first_hash


class Stated(NamedTuple):
    """An entry as it is kept, with the hash before it and its own, both in hex."""

    entry: Entry
    previous: str
    hash: str


class Head(NamedTuple):
    """The last entry that an account's own row knows of, and its hash in hex."""

    sequence: int
    hash: str


class Break(NamedTuple):
    """Where a chain does not hold, and how."""

    account: str
    sequence: int
    what: str

    def __str__(self) -> str:
        return f"{self.account}, entry {self.sequence}: {self.what}"


class Followed(NamedTuple):
    """How far an account's chain was followed: its last entry, that one's hash, and the balance in microcredits."""

    account: str
    sequence: int
    hash: bytes
    balance: int


def start(account: str) -> Followed:
    """Before an account's first entry."""
    return Followed(account, 0, first_hash(account), 0)


def follow(since: Followed, entries: Iterable[Stated], head: Head | None = None) -> Followed | Break:
    """Entries of one account from where it was followed to; the first that does not follow breaks the chain."""
    account, sequence, before, balance = since
    if head is not None and sequence == head.sequence and sequence and before.hex() != head.hash:
        return _not_the_head(account, sequence)
    for stated in entries:
        entry = stated.entry
        sequence += 1
        if entry.sequence != sequence:
            return Break(account, sequence, _out_of_place(entry.sequence, sequence))
        if stated.previous != before.hex():
            return Break(account, sequence, "it does not follow the entry before: one of the two was changed")
        entry.previous = before
        before = entry_hash(entry)
        if stated.hash and stated.hash != before.hex():
            return Break(account, sequence, "it was changed: what it says does not give its hash")
        balance += entry.lot_microcredits - entry.owed_microcredits
        if entry.balance_microcredits != balance:
            return Break(account, sequence, "the balance is not what the entries come to")
        if head is not None and sequence == head.sequence and before.hex() != head.hash:
            return _not_the_head(account, sequence)
    return Followed(account, sequence, before, balance)


def follow_all(entries: Iterable[Stated]) -> Iterator[Followed | Break]:
    """Each account's chain from its first entry, of entries that are kept account by account."""
    for account, of_account in groupby(entries, key=lambda stated: str(stated.entry.account)):
        yield follow(start(account), of_account)


def _out_of_place(found: int, expected: int) -> str:
    if found < expected:
        return f"entry {found} stands in its place"
    return "it is missing" if found == expected + 1 else f"it is missing, and so is every one up to {found - 1}"


def _not_the_head(account: str, sequence: int) -> Break:
    return Break(account, sequence, "its hash is not the one that the account's row has as its last")

"""Chains entries: each follows the hash of its account's entry before."""

from collections.abc import Iterable, MutableMapping

from schemas.ledger import Entry, entry_hash, first_hash


def seal(entries: Iterable[Entry], heads: MutableMapping[str, bytes], booked_at_ms: int) -> None:
    """Chain entries in booking order; `heads` has each account's last hash, none before its first entry."""
    for entry in entries:
        entry.booked_at_ms = booked_at_ms
        entry.previous = heads.get(entry.account) or first_hash(entry.account)
        heads[entry.account] = entry_hash(entry)

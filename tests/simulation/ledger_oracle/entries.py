"""Ledger entries, and the chain of hashes that nobody can cut an entry out of unseen."""

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

EntryKind = Literal[
    "granted",
    "burned",
    "owed",
    "billed",
    "repaid",
    "expired",
    "expiry_reversed",
    "rolled_out",
    "rolled_in",
    "voided",
    "void_owed",
    "refunded",
    "lot_started",
    "plan_activated",
    "plan_changed",
    "plan_renewed",
    "plan_ended",
    "bill_closed",
]


@dataclass(frozen=True)
class Entry:
    """One movement, in microcredits: what it did to its lot, to what is owed and to what is billed."""

    account: str
    sequence: int
    kind: EntryKind
    amount: int
    lot: str | None
    event: str | None
    command: str | None
    rate_card: str | None
    is_late: bool
    lot_effect: int
    owed_effect: int
    billed_effect: int
    balance_after: int
    occurred_at: datetime
    ingested_at: datetime
    hash: str


def canonical(fields: dict[str, object]) -> bytes:
    """RFC 8785 of an object of texts, booleans and nulls: amounts are texts, so no number needs its rules."""
    assert all(value is None or isinstance(value, str | bool) for value in fields.values())
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def first_hash(account: str) -> str:
    """What the first entry of an account follows."""
    return sha256(account.encode()).hexdigest()


def chained_hash(previous: str, fields: dict[str, object]) -> str:
    """SHA-256 of the hash before, as bytes, and the entry's own fields."""
    return sha256(bytes.fromhex(previous) + canonical(fields)).hexdigest()


def hashed_fields(entry: Entry) -> dict[str, object]:
    """All but the hash; numbers as decimal text, times in RFC 3339."""
    values = dict(vars(entry))
    del values["hash"]
    return {name: _written(value) for name, value in values.items()}


def _written(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value

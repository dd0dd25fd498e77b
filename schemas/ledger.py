"""Ledger entries: each states what it did to a lot, to what is owed and to what is billed, and continues a chain.

An entry's hash is SHA-256(previous ‖ RFC 8785 JSON), the first previous being SHA-256(account). The JSON has
the entry's fields by their names, but `previous` and what is 0, false or empty; amounts are strings. What is hashed is
what is written: entries leave a worker as lines of that JSON.
"""

import hashlib
from collections.abc import Iterable
from typing import Literal, cast

import msgspec
from msgspec import Struct

from schemas.identifiers import Account, RateCardVersion

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
CauseKind = Literal["event", "command", "clock"]


class Entry(Struct, gc=False):
    """One line of an account's ledger.

    `lot_microcredits`, `owed_microcredits` and `billed_microcredits` are its effects; the balance moves by the first
    less the second. `source`, `id` and `offset` name the event or command, all empty when the clock was the cause.
    `late` marks what a lot paid after its end. `price_micros` and `period_start_ms` say which line of which bill was
    moved. `detail` holds what else there is to say: a plan, reason and actor, the event that a correction is about, a
    currency. Times: occurred in microseconds, ingested (the ledger's clock) and booked in milliseconds since 1970, UTC.
    The last two fields are set when the checkpoint seals the entry.
    """

    account: Account
    sequence: int
    kind: EntryKind
    lot_microcredits: int
    owed_microcredits: int
    billed_microcredits: int
    balance_microcredits: int
    lot: str
    cause: CauseKind
    source: str
    id: str
    offset: int
    rate_card: RateCardVersion | str
    occurred_at_us: int
    ingested_at_ms: int
    late: bool = False
    price_micros: int = 0
    period_start_ms: int = 0
    detail: str = ""
    booked_at_ms: int = 0
    previous: bytes = b""

    @property
    def amount_microcredits(self) -> int:
        """How much it moved, whatever the direction."""
        return abs(self.lot_microcredits or self.owed_microcredits or self.billed_microcredits)


class EntryBatch(Struct, frozen=True, array_like=True, gc=False):
    """Entries of one partition in booking order; the first one's place in its checkpoint is `first`.

    `entries` are lines of canonical JSON, `previous` the hash before each of them: 32 bytes an entry.
    """

    partition: int
    version: int
    first: int
    previous: bytes
    entries: bytes


class BrokenChainError(ValueError):
    """An account's entries do not follow on from each other."""


class CanonicalEntry(Struct, gc=False, omit_defaults=True):
    """An entry as RFC 8785 has it: names in order. msgspec writes texts and integers as that demands."""

    account: str = ""
    balance_microcredits: str = ""
    billed_microcredits: str = ""
    booked_at_ms: int = 0
    cause: str = ""
    detail: str = ""
    id: str = ""
    ingested_at_ms: int = 0
    kind: str = ""
    late: bool = False
    lot: str = ""
    lot_microcredits: str = ""
    occurred_at_us: int = 0
    offset: int = 0
    owed_microcredits: str = ""
    period_start_ms: int = 0
    price_micros: int = 0
    rate_card: str = ""
    sequence: int = 0
    source: str = ""


class BurnedEntry(Struct, gc=False, omit_defaults=True):
    """The same without what a charge that burned a lot in time leaves empty: nearly every entry."""

    account: str = ""
    balance_microcredits: str = ""
    booked_at_ms: int = 0
    cause: str = ""
    id: str = ""
    ingested_at_ms: int = 0
    kind: str = ""
    lot: str = ""
    lot_microcredits: str = ""
    occurred_at_us: int = 0
    offset: int = 0
    rate_card: str = ""
    sequence: int = 0
    source: str = ""


class OwedEntry(Struct, gc=False, omit_defaults=True):
    """The same without what a charge that no lot covered leaves empty."""

    account: str = ""
    balance_microcredits: str = ""
    booked_at_ms: int = 0
    cause: str = ""
    detail: str = ""
    id: str = ""
    ingested_at_ms: int = 0
    kind: str = ""
    occurred_at_us: int = 0
    offset: int = 0
    owed_microcredits: str = ""
    rate_card: str = ""
    sequence: int = 0
    source: str = ""


Canonical = CanonicalEntry | BurnedEntry | OwedEntry

HASH_BYTES = 32
encode_canonical = msgspec.json.Encoder().encode
_decode_canonical = msgspec.json.Decoder(CanonicalEntry).decode
_decode_batch = msgspec.msgpack.Decoder(EntryBatch).decode
_sha256 = hashlib.sha256


def first_hash(account: str) -> bytes:
    """What an account's first entry follows."""
    return hashlib.sha256(account.encode()).digest()


def entry_hash(entry: Entry) -> bytes:
    """SHA-256 of the hash before and of the entry's canonical JSON."""
    return _sha256(entry.previous + canonical_json(entry)).digest()


def canonical_json(entry: Entry) -> bytes:
    """The entry as RFC 8785 has it."""
    return encode_canonical(canonical(entry))


def canonical(entry: Entry) -> CanonicalEntry:
    """The entry with its fields in order, amounts as text."""
    return CanonicalEntry(
        entry.account,
        _amount(entry.balance_microcredits),
        _amount(entry.billed_microcredits),
        entry.booked_at_ms,
        entry.cause,
        entry.detail,
        entry.id,
        entry.ingested_at_ms,
        entry.kind,
        entry.late,
        entry.lot,
        _amount(entry.lot_microcredits),
        entry.occurred_at_us,
        entry.offset,
        _amount(entry.owed_microcredits),
        entry.period_start_ms,
        entry.price_micros,
        entry.rate_card,
        entry.sequence,
        entry.source,
    )


def pack_entries(
    partition: int, version: int, first: int, previous: Iterable[bytes], lines: Iterable[bytes]
) -> EntryBatch:
    """Sealed entries as they are written: the line of each, and the hash before it."""
    return EntryBatch(partition, version, first, b"".join(previous), b"\n".join(lines))


def decode_entry_batch(value: bytes) -> EntryBatch:
    """A record of credits.ledger; msgspec.DecodeError for bytes that are none."""
    batch = _decode_batch(value)
    lines = batch.entries.count(b"\n") + 1 if batch.entries else 0
    if len(batch.previous) != lines * HASH_BYTES:
        raise msgspec.DecodeError(f"{lines} entries follow {len(batch.previous)} bytes of hashes")
    return batch


def entries_of(batch: EntryBatch) -> list[Entry]:
    """The entries of a batch, each with the hash before it; msgspec.DecodeError names what is no entry."""
    previous, lines = batch.previous, batch.entries.split(b"\n") if batch.entries else []
    return [entry_of(line, previous[place * HASH_BYTES : (place + 1) * HASH_BYTES]) for place, line in enumerate(lines)]


def entry_of(line: bytes | str, previous: bytes) -> Entry:
    """An entry from its canonical JSON and the hash before it; msgspec.DecodeError names what is no entry."""
    read = _decode_canonical(line)
    try:
        lot, owed = int(read.lot_microcredits or 0), int(read.owed_microcredits or 0)
        billed, balance = int(read.billed_microcredits or 0), int(read.balance_microcredits or 0)
    except ValueError as error:
        raise msgspec.DecodeError(f"an amount is no integer: {error}") from None
    return Entry(
        Account(read.account),
        read.sequence,
        cast("EntryKind", read.kind),
        lot,
        owed,
        billed,
        balance,
        read.lot,
        cast("CauseKind", read.cause),
        read.source,
        read.id,
        read.offset,
        read.rate_card,
        read.occurred_at_us,
        read.ingested_at_ms,
        read.late,
        read.price_micros,
        read.period_start_ms,
        read.detail,
        read.booked_at_ms,
        previous,
    )


def verify_chain(account: str, entries: Iterable[Entry]) -> bytes:
    """The hash after these entries, all of one account from its first; BrokenChainError names the first bad one."""
    head, balance = first_hash(account), 0
    for sequence, entry in enumerate(entries, 1):
        balance += entry.lot_microcredits - entry.owed_microcredits
        if entry.account != account or entry.sequence != sequence:
            raise BrokenChainError(f"entry {entry.sequence} of {entry.account!r} stands where {sequence} belongs")
        if entry.previous != head:
            raise BrokenChainError(f"entry {sequence} of {account!r} does not follow the one before: one was changed")
        if entry.balance_microcredits != balance:
            raise BrokenChainError(f"entry {sequence} of {account!r} says a balance that its effects do not come to")
        head = entry_hash(entry)
    return head


def _amount(microcredits: int) -> str:
    return str(microcredits) if microcredits else ""

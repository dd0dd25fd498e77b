"""The table of ledger entries."""

from hashlib import sha256
from typing import ClassVar

from schemas.ledger import HASH_BYTES, EntryBatch, entries_of
from sinks.tables.table import Columns, Table, units


class LedgerTable(Table[EntryBatch]):
    """An entry with its hash; the key is account and sequence."""

    name = "ledger"
    columns: ClassVar[dict[str, str]] = {
        "account": "String",
        "sequence": "UInt64",
        "kind": "LowCardinality(String)",
        "lot_credits": "Decimal(38, 6)",
        "owed_credits": "Decimal(38, 6)",
        "billed_credits": "Decimal(38, 6)",
        "balance_credits": "Decimal(38, 6)",
        "lot": "String",
        "cause": "LowCardinality(String)",
        "source": "LowCardinality(String)",
        "id": "String",
        "offset": "UInt64",
        "rate_card": "LowCardinality(String)",
        "occurred_at": "DateTime64(6, 'UTC')",
        "ingested_at": "DateTime64(3, 'UTC')",
        "late": "Bool",
        "price_minor": "Decimal(38, 6)",
        "period_start": "DateTime64(3, 'UTC')",
        "detail": "String",
        "booked_at": "DateTime64(3, 'UTC')",
        "previous": "String",
        "hash": "String",
        "partition": "UInt32",
        "place": "UInt64",
        "version": "UInt64",
    }

    def columns_of(self, decoded: EntryBatch) -> Columns:
        entries = entries_of(decoded)
        return [
            [entry.account for entry in entries],
            [entry.sequence for entry in entries],
            [entry.kind for entry in entries],
            [units(entry.lot_microcredits) for entry in entries],
            [units(entry.owed_microcredits) for entry in entries],
            [units(entry.billed_microcredits) for entry in entries],
            [units(entry.balance_microcredits) for entry in entries],
            [entry.lot for entry in entries],
            [entry.cause for entry in entries],
            [entry.source for entry in entries],
            [entry.id for entry in entries],
            [entry.offset for entry in entries],
            [entry.rate_card for entry in entries],
            [entry.occurred_at_us for entry in entries],
            [entry.ingested_at_ms for entry in entries],
            [entry.late for entry in entries],
            [units(entry.price_micros) for entry in entries],
            [entry.period_start_ms for entry in entries],
            [entry.detail for entry in entries],
            [entry.booked_at_ms for entry in entries],
            [entry.previous.hex() for entry in entries],
            _hashes(decoded),
            [decoded.partition] * len(entries),
            [decoded.first + number for number in range(len(entries))],
            [decoded.version] * len(entries),
        ]


def _hashes(batch: EntryBatch) -> list[object]:
    # Of the lines as they were written: what was hashed is what is there.
    lines = batch.entries.split(b"\n") if batch.entries else []
    before = batch.previous
    return [
        sha256(before[number * HASH_BYTES : (number + 1) * HASH_BYTES] + line).hexdigest()
        for number, line in enumerate(lines)
    ]

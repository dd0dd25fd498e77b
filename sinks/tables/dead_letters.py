"""The table of what was not booked."""

from typing import ClassVar

from schemas.dead_letter import DeadLetter
from sinks.tables.table import Columns, Table


class DeadLettersTable(Table[DeadLetter]):
    """Input that was not booked; the key is topic, partition, offset, reason and the hash of the bytes."""

    name = "dead_letters"
    columns: ClassVar[dict[str, str]] = {
        "topic": "LowCardinality(String)",
        "partition": "UInt32",
        "offset": "UInt64",
        "reason": "LowCardinality(String)",
        "value_sha256": "String",
        "detail": "String",
        "fix": "String",
        "account": "String",
        "key": "Nullable(String)",
        "value": "String",
        "value_bytes": "UInt64",
        "ingested_at": "DateTime64(3, 'UTC')",
        "booked_at": "DateTime64(3, 'UTC')",
        "version": "UInt64",
    }

    def columns_of(self, decoded: DeadLetter) -> Columns:
        return [
            [decoded.topic],
            [decoded.partition],
            [decoded.offset],
            [str(decoded.reason)],
            [decoded.value_sha256],
            [decoded.detail],
            [decoded.fix],
            [decoded.account],
            [decoded.key],
            [decoded.value],
            [decoded.value_bytes],
            [decoded.ingested_at_ms],
            [decoded.booked_at_ms],
            [decoded.version],
        ]

"""The tables of usage: hourly rollups, conversations and priced events."""

from typing import ClassVar

from schemas.charge import ChargeBatch
from schemas.rollup import RollupBatch
from sinks.tables.table import Columns, Table, units

_HOUR_SECONDS = 3600
_DAY_US = 86_400_000_000


class RollupsTable(Table[RollupBatch]):
    """Hourly totals of one segment; the key is account, hour, channel, agent, node, segment."""

    name = "rollups"
    columns: ClassVar[dict[str, str]] = {
        "account": "String",
        "hour": "DateTime('UTC')",
        "channel": "LowCardinality(String)",
        "agent": "String",
        "node": "LowCardinality(String)",
        "segment": "UInt64",
        "events": "UInt64",
        "messages": "UInt64",
        "quantity": "Decimal(38, 6)",
        "credits": "Decimal(38, 6)",
        "version": "UInt64",
    }

    def columns_of(self, decoded: RollupBatch) -> Columns:
        rows = decoded.rows
        return [
            [row.account for row in rows],
            [row.hour * _HOUR_SECONDS for row in rows],
            [row.channel for row in rows],
            [row.agent for row in rows],
            [row.node for row in rows],
            [row.segment for row in rows],
            [row.events for row in rows],
            [row.messages for row in rows],
            [units(row.quantity_micros) for row in rows],
            [units(row.cost_microcredits) for row in rows],
            [decoded.version] * len(rows),
        ]


class ConversationsTable(Table[ChargeBatch]):
    """Which conversations an agent had on a day; the key is the whole row."""

    name = "conversations"
    columns: ClassVar[dict[str, str]] = {
        "account": "String",
        "day": "Date",
        "agent": "String",
        "conversation": "String",
        "version": "UInt64",
    }

    def columns_of(self, decoded: ChargeBatch) -> Columns:
        rows = {
            (charge.account, charge.occurred_at_us // _DAY_US, charge.agent, charge.conversation): None
            for charge in decoded.charges
        }
        columns: Columns = [[row[index] for row in rows] for index in range(4)]
        return [*columns, [decoded.version] * len(rows)]


class ChargesTable(Table[ChargeBatch]):
    """Every priced event; the key is account, occurred_at, source, id."""

    name = "charges"
    columns: ClassVar[dict[str, str]] = {
        "account": "String",
        "occurred_at": "DateTime64(6, 'UTC')",
        "source": "LowCardinality(String)",
        "id": "String",
        "agent": "String",
        "conversation": "String",
        "channel": "LowCardinality(String)",
        "node": "LowCardinality(String)",
        "quantity": "Decimal(38, 6)",
        "credits": "Decimal(38, 6)",
        "messages": "UInt32",
        "rate_card": "LowCardinality(String)",
        "ingested_at": "DateTime64(3, 'UTC')",
        "booked_at": "DateTime64(3, 'UTC')",
        "partition": "UInt32",
        "offset": "UInt64",
        "version": "UInt64",
    }

    def columns_of(self, decoded: ChargeBatch) -> Columns:
        charges = decoded.charges
        return [
            [charge.account for charge in charges],
            [charge.occurred_at_us for charge in charges],
            [charge.source for charge in charges],
            [charge.id for charge in charges],
            [charge.agent for charge in charges],
            [charge.conversation for charge in charges],
            [charge.channel for charge in charges],
            [charge.node for charge in charges],
            [units(charge.quantity_micros) for charge in charges],
            [units(charge.cost_microcredits) for charge in charges],
            [charge.messages for charge in charges],
            [charge.rate_card for charge in charges],
            [charge.ingested_at_ms for charge in charges],
            [decoded.booked_at_ms] * len(charges),
            [decoded.partition] * len(charges),
            [charge.offset for charge in charges],
            [decoded.version] * len(charges),
        ]

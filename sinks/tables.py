"""One class per ClickHouse table: its columns, and how a decoded record becomes rows, column by column.

Columns, not rows: they insert 1.5 to 2.5 times as fast. The types are those of deploy/clickhouse/migrations.
"""

from abc import ABC, abstractmethod
from decimal import Decimal
from typing import ClassVar, Generic, TypeVar

from schemas.balance import Balance
from schemas.charge import ChargeBatch
from schemas.dead_letter import DeadLetter
from schemas.rollup import RollupBatch

T = TypeVar("T")
Columns = list[list[object]]

_DECIMALS = 6
_HOUR_SECONDS = 3600
_DAY_US = 86_400_000_000


class Table(ABC, Generic[T]):
    """A table and what it takes from one decoded record of its topic."""

    name: ClassVar[str]
    columns: ClassVar[dict[str, str]]

    @abstractmethod
    def columns_of(self, decoded: T) -> Columns:
        """The rows of a record, as one list per column, in the order of `columns`."""


class BalancesTable(Table[Balance]):
    """The running totals of an account; the key is the account."""

    name = "balances"
    columns: ClassVar[dict[str, str]] = {
        "account": "String",
        "granted_credits": "Decimal(38, 6)",
        "charged_credits": "Decimal(38, 6)",
        "events": "UInt64",
        "messages": "UInt64",
        "grants": "UInt64",
        "opened_at": "DateTime64(3, 'UTC')",
        "updated_at": "DateTime64(3, 'UTC')",
        "version": "UInt64",
    }

    def columns_of(self, decoded: Balance) -> Columns:
        return [
            [decoded.account],
            [_units(decoded.granted_microcredits)],
            [_units(decoded.charged_microcredits)],
            [decoded.events],
            [decoded.messages],
            [decoded.grants],
            [decoded.opened_at_ms],
            [decoded.updated_at_ms],
            [decoded.version],
        ]


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
            [_units(row.quantity_micros) for row in rows],
            [_units(row.cost_microcredits) for row in rows],
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
            [_units(charge.quantity_micros) for charge in charges],
            [_units(charge.cost_microcredits) for charge in charges],
            [charge.messages for charge in charges],
            [charge.rate_card for charge in charges],
            [charge.ingested_at_ms for charge in charges],
            [decoded.booked_at_ms] * len(charges),
            [decoded.partition] * len(charges),
            [charge.offset for charge in charges],
            [decoded.version] * len(charges),
        ]


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


def _units(micros: int) -> Decimal:
    # At most 20 digits can arrive, so the 28 of the default context lose none.
    return Decimal(micros).scaleb(-_DECIMALS)

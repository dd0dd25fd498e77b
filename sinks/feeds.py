"""Which topic fills which tables."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from schemas.balance import CONTROL_KEY_PREFIX, Balance
from schemas.codec import decode_balance, decode_charges, decode_dead_letter, decode_rollups
from schemas.topics import TopicNames
from sinks.records import Record
from sinks.tables import (
    BalancesTable,
    ChargesTable,
    Columns,
    ConversationsTable,
    DeadLettersTable,
    RollupsTable,
    Table,
)

TABLES: tuple[Table[Any], ...] = (
    BalancesTable(),
    RollupsTable(),
    ConversationsTable(),
    ChargesTable(),
    DeadLettersTable(),
)


class UndecodableError(Exception):
    """A record whose bytes are not what its topic holds; the text says why."""


class Feed(Struct, frozen=True):
    """How records of one topic are decoded (None: a record without rows), and the tables they fill."""

    decode: Callable[[Record], object | None]
    tables: tuple[Table[Any], ...]

    def rows_of(self, record: Record) -> list[tuple[Table[Any], Columns]]:
        """The rows of a record by table; UndecodableError if it cannot be read."""
        try:
            decoded = self.decode(record)
            # A number outside of what its type can hold (an absurd hour, say) shows up only here.
            return [] if decoded is None else [(table, table.columns_of(decoded)) for table in self.tables]
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise UndecodableError(str(error)) from error


def feeds(topics: TopicNames) -> dict[str, Feed]:
    """The feed of every topic that the sink reads, by the topic's name."""
    dead_letters = Feed(_dead_letter, (DeadLettersTable(),))
    return {
        topics.balances_changelog: Feed(_balance, (BalancesTable(),)),
        topics.rollups: Feed(lambda record: decode_rollups(_value(record)), (RollupsTable(),)),
        topics.charges: Feed(lambda record: decode_charges(_value(record)), (ConversationsTable(), ChargesTable())),
        topics.dead_letters: dead_letters,
        topics.sink_dead_letters: dead_letters,
    }


def _balance(record: Record) -> Balance | None:
    if (record.key or b"").startswith(CONTROL_KEY_PREFIX):
        return None
    return decode_balance(_value(record))


def _dead_letter(record: Record) -> object:
    return decode_dead_letter(_value(record))


def _value(record: Record) -> bytes:
    if record.value is None:
        raise UndecodableError("the record has no value, and a tombstone says nothing about a version")
    return record.value

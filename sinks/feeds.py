"""Which topic fills which tables."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from schemas.account import CONTROL_KEY_PREFIX, account_of
from schemas.codec import decode_charges, decode_dead_letter, decode_lot, decode_rollups
from schemas.ledger import decode_entry_batch
from schemas.notice_events import decode_notice
from schemas.topics import TopicNames
from sinks.records import Record
from sinks.tables.accounts import BalancesTable
from sinks.tables.dead_letters import DeadLettersTable
from sinks.tables.ledger import LedgerTable
from sinks.tables.lots import FirstLotsTable, LotsTable
from sinks.tables.notices import AlertsTable, BillsTable, RefillRequestsTable
from sinks.tables.table import Columns, Table
from sinks.tables.usage import ChargesTable, ConversationsTable, RollupsTable

TABLES: tuple[Table[Any], ...] = (
    BalancesTable(),
    LotsTable(),
    LedgerTable(),
    RollupsTable(),
    ConversationsTable(),
    ChargesTable(),
    AlertsTable(),
    RefillRequestsTable(),
    BillsTable(),
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
    dead_letters = Feed(_with_value(decode_dead_letter), (DeadLettersTable(),))
    return {
        topics.balances_changelog: Feed(_changed(_with_value(account_of)), (BalancesTable(), FirstLotsTable())),
        topics.lots_changelog: Feed(_changed(_lot), (LotsTable(),)),
        topics.ledger: Feed(_with_value(decode_entry_batch), (LedgerTable(),)),
        topics.rollups: Feed(_with_value(decode_rollups), (RollupsTable(),)),
        topics.charges: Feed(_with_value(decode_charges), (ConversationsTable(), ChargesTable())),
        topics.alerts: Feed(_with_value(decode_notice), (AlertsTable(),)),
        topics.refill_requests: Feed(_with_value(decode_notice), (RefillRequestsTable(),)),
        topics.bills: Feed(_with_value(decode_notice), (BillsTable(),)),
        topics.dead_letters: dead_letters,
        topics.sink_dead_letters: dead_letters,
    }


def _with_value(decode: Callable[[bytes], object]) -> Callable[[Record], object]:
    return lambda record: decode(_value(record))


def _changed(decode: Callable[[Record], object | None]) -> Callable[[Record], object | None]:
    """A changelog's records, without the engine's own."""
    return lambda record: None if (record.key or b"").startswith(CONTROL_KEY_PREFIX) else decode(record)


def _lot(record: Record) -> object | None:
    # The worker forgets a lot some time after it was closed; here it stays.
    return None if record.value is None else decode_lot(record.value)


def _value(record: Record) -> bytes:
    if record.value is None:
        raise UndecodableError("the record has no value, and a tombstone says nothing about a version")
    return record.value

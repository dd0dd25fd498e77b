"""A chain of entries as `python -m sinks query statement` shows it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from schemas.ledger import Entry, entry_hash
from sinks.query import Answer, Value
from tests.ledger_rows import Chain

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = (
    *("account", "sequence", "kind", "lot_credits", "owed_credits", "billed_credits", "balance_credits", "lot"),
    *("cause", "source", "id", "offset", "rate_card", "occurred_at", "ingested_at", "late", "price_minor"),
    *("period_start", "detail", "booked_at", "previous", "hash"),
)


def statement(*chains: Chain) -> Answer:
    """Every entry of these, in order."""
    return Answer(COLUMNS, [_row(entry) for chain in chains for entry in chain.entries])


def _row(entry: Entry) -> list[Value]:
    return [
        entry.account,
        entry.sequence,
        entry.kind,
        _credits(entry.lot_microcredits),
        _credits(entry.owed_microcredits),
        _credits(entry.billed_microcredits),
        _credits(entry.balance_microcredits),
        entry.lot,
        entry.cause,
        entry.source,
        entry.id,
        entry.offset,
        entry.rate_card,
        _time(entry.occurred_at_us),
        _time(entry.ingested_at_ms * 1_000),
        entry.late,
        _credits(entry.price_micros),
        _time(entry.period_start_ms * 1_000),
        entry.detail,
        _time(entry.booked_at_ms * 1_000),
        entry.previous.hex(),
        entry_hash(entry).hex(),
    ]


def _credits(micros: int) -> Decimal:
    return Decimal(micros) / 1_000_000


def _time(microseconds: int) -> str:
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

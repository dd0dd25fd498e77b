"""Refused rows are written so that ClickHouse takes them once the cause is mended."""

import json
from decimal import Decimal

from sinks.insertable import insertable
from sinks.tables.usage import ChargesTable, ConversationsTable


def test_times_are_written_out_to_their_last_digit() -> None:
    """Micro- and milliseconds become text; other numbers stay numbers, amounts exact text."""
    fields = {
        "occurred_at": 1_795_384_838_000_001,
        "ingested_at": 1_795_384_838_250,
        "credits": Decimal("0.000001"),
        "offset": 1_795_384_838_250,
    }
    assert json.loads(insertable(ChargesTable.columns, fields)) == {
        "occurred_at": "2026-11-22 22:00:38.000001",
        "ingested_at": "2026-11-22 22:00:38.250000",
        "credits": "0.000001",
        "offset": 1_795_384_838_250,
    }


def test_a_day_is_written_as_a_date() -> None:
    """Days are counted since 1970."""
    assert json.loads(insertable(ConversationsTable.columns, {"day": 20_779})) == {"day": "2026-11-22"}


def test_a_time_that_no_calendar_has_stays_a_number() -> None:
    """It may be why the row was refused."""
    assert json.loads(insertable(ChargesTable.columns, {"occurred_at": 10**20})) == {"occurred_at": 10**20}

"""How long the sink waits between tries, and what it takes an error for."""

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, DataError, OperationalError

from sinks.backoff import LONGEST_WAIT_SECONDS, Backoff
from sinks.refusals import ClickHouseAwayError, RowsRefusedError, UnclearError, judged


def test_waits_double_up_to_a_bound() -> None:
    """The longest possible wait of each try."""
    backoff = Backoff(lambda _low, high: high)
    assert [backoff.next_wait_seconds() for _ in range(8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0]


def test_waits_stay_bounded_after_any_number_of_tries() -> None:
    """A weekend without ClickHouse neither overflows nor waits for days."""
    backoff = Backoff(lambda low, _high: low)
    waits = [backoff.next_wait_seconds() for _ in range(20_000)]
    assert waits[-1] == LONGEST_WAIT_SECONDS / 2


def test_waits_differ_between_sinks() -> None:
    """Each wait is drawn from the upper half of its step."""
    waits = {Backoff().next_wait_seconds() for _ in range(50)}
    assert len(waits) > 1
    assert all(0.1 <= wait <= 0.2 for wait in waits)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (OperationalError("connection refused"), ClickHouseAwayError),
        (OSError("broken pipe"), ClickHouseAwayError),
        (DatabaseError("bad gateway, of a proxy"), ClickHouseAwayError),
        (DatabaseError("too many parts", code=252), ClickHouseAwayError),
        (DatabaseError("table is read only", code=242), ClickHouseAwayError),
        (DatabaseError("authentication failed", code=516), ClickHouseAwayError),
        (DatabaseError("constraint violated", code=469), RowsRefusedError),
        (DatabaseError("unknown element of enum", code=691), RowsRefusedError),
        (DataError("cannot make a native array"), RowsRefusedError),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), RowsRefusedError),
        (OverflowError("int too large"), RowsRefusedError),
        (DatabaseError("something new", code=99_999), UnclearError),
    ],
)
def test_an_error_is_blamed_on_whom_it_concerns(error: Exception, verdict: type[Exception]) -> None:
    """Rows are refused only for what values cause; the state of the server never costs a row."""
    assert type(judged(error)) is verdict

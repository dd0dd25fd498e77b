"""Refused rows are found, and every other row is written exactly once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.batch import TableRows
from sinks.isolation import Isolation
from sinks.refusals import ClickHouseAwayError, UnclearError
from sinks.tables.accounts import BalancesTable
from tests.unit.sink_fakes import FakeWriter, balance_record


def rows_of(accounts: list[str]) -> TableRows:
    """A row per account, each from a record of its own."""
    table = BalancesTable()
    rows = TableRows(table)
    for offset, account in enumerate(accounts):
        columns: list[list[object]] = [[0] for _ in table.columns]
        columns[0] = [account]
        rows.add(balance_record(account, offset), columns)
    return rows


@given(st.lists(st.booleans(), max_size=40))
def test_all_rows_but_the_refused_are_written_once(bad: list[bool]) -> None:
    """Whatever rows are bad, they and only they are reported, in order."""
    accounts = [f"{'bad' if is_bad else 'good'}-{index}" for index, is_bad in enumerate(bad)]
    writer = FakeWriter()
    writer.refused = {account for account in accounts if account.startswith("bad")}
    refused = Isolation(writer, rows_of(accounts)).write()
    assert [refusal.row for refusal in refused] == [index for index, is_bad in enumerate(bad) if is_bad]
    assert writer.accounts() == [account for account in accounts if account not in writer.refused]


def test_one_bad_row_among_many_takes_few_inserts() -> None:
    """Halving finds one of 4,096 within 25 inserts."""
    writer = FakeWriter()
    writer.refused = {"a-1234"}
    Isolation(writer, rows_of([f"a-{index}" for index in range(4096)])).write()
    assert len(writer.accounts()) == 4095
    assert writer.inserts == 25


def test_an_unclear_error_is_not_blamed_on_rows_without_doubt() -> None:
    """The first tries of a batch leave it whole."""
    writer = FakeWriter()
    writer.unclear = {"odd"}
    with pytest.raises(UnclearError):
        Isolation(writer, rows_of(["a", "odd"])).write()
    assert writer.inserts == 1


def test_a_doubtful_row_is_refused_when_others_are_written() -> None:
    """What distinguishes a bad row from a sick server is that other rows pass."""
    writer = FakeWriter()
    writer.unclear = {"odd"}
    refused = Isolation(writer, rows_of(["a", "odd", "c"]), doubtful=True).write()
    assert [refusal.row for refusal in refused] == [1]
    assert writer.accounts() == ["a", "c"]


def test_doubt_ends_early_when_no_row_passes() -> None:
    """A sick server is not asked once per row."""
    writer = FakeWriter()
    writer.all_unclear = True
    with pytest.raises(UnclearError):
        Isolation(writer, rows_of([f"a-{index}" for index in range(4096)]), doubtful=True).write()
    assert writer.inserts <= 25


def test_clickhouse_going_away_while_halving_is_not_a_refusal() -> None:
    """The whole batch is tried again later."""
    writer = FakeWriter()
    writer.away = True
    with pytest.raises(ClickHouseAwayError):
        Isolation(writer, rows_of(["a", "b"])).write()


def test_a_row_knows_the_record_it_came_from() -> None:
    """Rows of batches that were joined keep their origins."""
    first, second = rows_of(["a", "b"]), rows_of(["c"])
    first.follow(second)
    assert [first.origin(row).offset for row in range(3)] == [0, 1, 0]
    assert first.row(2)["account"] == "c"

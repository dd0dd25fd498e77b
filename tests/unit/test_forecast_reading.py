"""What a forecast is made of: the newest rows of one checkpoint, the use of whole hours; and how it is shown."""

import json
from typing import Any

import pytest
from confluent_kafka import Message

from schemas.account import AccountRow, BalanceRow
from schemas.codec import encode_packed
from schemas.credits import MICROCREDITS_PER_CREDIT as CREDIT
from schemas.lot import Lot
from stream.__main__ import main
from stream.forecast.hourly_use import WEEK_HOURS, HourlyUse
from stream.forecast.reading import AccountForecast
from stream.forecast.rows import Rows
from stream.forecast.show import as_json, as_table, runs_out_first
from stream.rules.ledger.forecast import Forecast
from stream.rules.ledger.use_curve import HOUR_MS
from stream.topic_reader import UnreadableTopicError
from tests.unit.booking_scene import DAY_MS, NOON_MS
from tests.unit.ledger_records import BOOKED_AT_MS, balance_row
from tests.unit.test_simulate import batches, charge

LOT_KEY = b'["acme","T"]'


def row(version: int, account: str = "acme", **fields: Any) -> AccountRow:
    """An account's row of a checkpoint."""
    return AccountRow(account, version, **fields)  # type: ignore[arg-type]


def lot(version: int, name: str = "T", held: int = 1) -> Lot:
    """A lot's row of a checkpoint."""
    return Lot("acme", name, "top_up", 50, 0, held=held, version=version)  # type: ignore[arg-type]


def account_row(version: int, account: str = "acme", **fields: Any) -> BalanceRow:
    """The same as the changelog has it."""
    return balance_row(row(version, account, **fields))


def records(*rows: tuple[bytes | None, Any]) -> list[Message]:
    """Rows as their changelog has them; None removes."""
    values = [(key, None if value is None else encode_packed(value)) for key, value in rows]
    return [
        Message(topic="log", partition=1, offset=at, key=key, value=value) for at, (key, value) in enumerate(values)
    ]


def read(
    accounts: list[Message], lots: list[Message], account: str = ""
) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """Account, version and lots by name and version."""
    rows = Rows(account)
    rows.read_accounts(accounts)
    rows.read_lots(lots)
    return [
        (each.row.account, each.row.version, [(lot.id, lot.version) for lot in each.lots]) for each in rows.accounts()
    ]


ACCOUNTS = records(
    (b"acme", account_row(1)), (b"acme", account_row(5)), (b"duck", account_row(4, "duck")), (b"\0claim", "not a row")
)


@pytest.mark.parametrize(
    ("accounts", "lots", "found"),
    [
        (ACCOUNTS, [], [("acme", 5, []), ("duck", 4, [])]),
        (ACCOUNTS, records((LOT_KEY, lot(1)), (LOT_KEY, lot(3))), [("acme", 5, [("T", 3)]), ("duck", 4, [])]),
        (ACCOUNTS, records((LOT_KEY, lot(3)), (LOT_KEY, None)), [("acme", 5, []), ("duck", 4, [])]),
        # A checkpoint after that of the accounts' rows: its lots are of another time.
        (ACCOUNTS, records((LOT_KEY, lot(3)), (LOT_KEY, lot(6))), [("acme", 5, [("T", 3)]), ("duck", 4, [])]),
        (ACCOUNTS, records((b"\0claim", "?"), (b'["elk","T"]', lot(1))), [("acme", 5, []), ("duck", 4, [])]),
        # The lot that charges burn is in the account's row, unless its own row is newer.
        (records((b"acme", account_row(5, first_lot=lot(5)))), records((LOT_KEY, lot(3))), [("acme", 5, [("T", 5)])]),
        (records((b"acme", account_row(5, first_lot=lot(3)))), records((LOT_KEY, lot(3))), [("acme", 5, [("T", 3)])]),
        (records((b"acme", account_row(5, first_lot=lot(2)))), records((LOT_KEY, lot(3))), [("acme", 5, [("T", 3)])]),
        (
            records((b"acme", account_row(5, first_lot=lot(5, "U")))),
            records((LOT_KEY, lot(3))),
            [("acme", 5, [("T", 3), ("U", 5)])],
        ),
    ],
)
def test_the_newest_rows_of_one_checkpoint_are_taken(
    accounts: list[Message], lots: list[Message], found: list[tuple[str, int, list[tuple[str, int]]]]
) -> None:
    """Each row: two changelogs, and the accounts with their lots."""
    assert read(accounts, lots) == found
    assert read(accounts, lots, "acme") == [each for each in found if each[0] == "acme"]


@pytest.mark.parametrize(
    ("accounts", "lots", "said"),
    [
        (records((b"acme", ["acme", 500, 30, 1])), [], "log/1/0 is no account of the ledger"),
        (records((b"acme", ["acme", 5, 0, False, 1, "cut"])), [], "log/1/0 is no account of the ledger"),
        (ACCOUNTS, records((LOT_KEY, "?")), "log/1/0 is no lot of the ledger"),
        (ACCOUNTS, records((b"acme", lot(1))), "log/1/0 is no lot's key of the ledger"),
    ],
)
def test_a_row_that_is_none_is_named(accounts: list[Message], lots: list[Message], said: str) -> None:
    """By its place: also a row of an older worker, which kept no ledger."""
    with pytest.raises(UnreadableTopicError, match=said):
        read(accounts, lots)


def used(*charges: tuple[int, int], opened_ago_ms: int = 30 * DAY_MS, is_cut: bool = False) -> list[int]:
    """The known hours of an account, from its charges: how long ago in ms, and for how much."""
    use = HourlyUse(NOW_MS)
    made = [charge(occurred_at_us=(NOW_MS - ago_ms) * 1_000, cost_microcredits=cost) for ago_ms, cost in charges]
    use.read(batches(*made, charge(account="duck")), is_cut=is_cut)
    return use.of("acme", NOW_MS - opened_ago_ms)


NOW_MS = NOON_MS + 3 * DAY_MS + 1


@pytest.mark.parametrize(
    ("ago_ms", "hour"),
    [
        (0, -1),
        (-300_000, -1),
        (HOUR_MS - 1, -1),
        (HOUR_MS, -2),
        (24 * HOUR_MS - 1, -24),
        (WEEK_HOURS * HOUR_MS - 1, 0),
        (WEEK_HOURS * HOUR_MS, None),
    ],
)
def test_use_counts_into_whole_hours_until_now(ago_ms: int, hour: int | None) -> None:
    """By when events occurred; what is older than a week does not count."""
    hours = [0] * WEEK_HOURS
    if hour is not None:
        hours[hour] = 12
    assert used((ago_ms, 5), (ago_ms, 7)) == hours


@pytest.mark.parametrize(
    ("opened_ago_ms", "is_cut", "hours"),
    [
        (30 * DAY_MS, False, WEEK_HOURS),
        (HOUR_MS - 1, False, 0),
        (-5, False, 0),
        (5 * HOUR_MS, False, 5),
        (30 * DAY_MS, True, (NOW_MS - BOOKED_AT_MS) // HOUR_MS),
        (5 * HOUR_MS, True, 5),
    ],
)
def test_use_is_known_since_the_account_opened_and_charges_are_retained(
    opened_ago_ms: int, is_cut: bool, hours: int
) -> None:
    """An account without charges used nothing in these hours."""
    assert len(used((HOUR_MS, 1), opened_ago_ms=opened_ago_ms, is_cut=is_cut)) == hours
    assert HourlyUse(NOW_MS).of("acme", NOW_MS - 2 * HOUR_MS) == [0, 0]


def test_what_a_new_account_used_is_told_though_its_use_is_not_known() -> None:
    """By the last 24 hours that there were."""
    use = HourlyUse(NOW_MS)
    made = [charge(occurred_at_us=(NOW_MS - hours * HOUR_MS) * 1_000, cost_microcredits=5) for hours in (0, 23, 24)]
    use.read(batches(*made), is_cut=False)
    assert (use.last_day("acme"), use.last_day("duck")) == (10, 0)


def found(account: str, forecast: Forecast) -> AccountForecast:
    """An account's forecast; it used 2.5 credits in a day."""
    return AccountForecast(row(1, account), 2_500_000, forecast)


KNOWN = found("acme", Forecast("known", 10 * CREDIT, 7, NOON_MS + 30_000, NOON_MS - HOUR_MS, None))
OUT = found("out", Forecast("out", -CREDIT, 7, NOON_MS - DAY_MS, NOON_MS - DAY_MS, NOON_MS - DAY_MS))
LATER = found("later", Forecast("known", CREDIT, 2))
NEW = found("new\x1b", Forecast("unknown", CREDIT))


def test_people_read_what_runs_out_first() -> None:
    """What is out comes before what will be, that before what lasts, and what is not known is last."""
    shown = sorted([NEW, LATER, KNOWN, OUT], key=runs_out_first)
    assert as_table(shown, 3).splitlines() == [
        "account    remaining  used in 24 h           runs out           earliest     latest  by days",
        "out               -1           2.5             is out                                      7",
        "acme              10           2.5  2025-11-22T12:00Z  2025-11-22T11:00Z  > 90 days        7",
        "later              1           2.5          > 90 days          > 90 days  > 90 days        2",
        "'new\\x1b'          1           2.5            unknown",
        "and 3 more accounts: --most shows them",
    ]


def test_programs_read_one_object_an_account() -> None:
    """Credits as text, times or null."""
    assert json.loads(as_json(KNOWN)) == {
        "account": "acme",
        "state": "known",
        "remaining_credits": "10",
        "used_last_day_credits": "2.5",
        "days": 7,
        "horizon_days": 90,
        "runs_out_at": "2025-11-22T12:00Z",
        "earliest": "2025-11-22T11:00Z",
        "latest": None,
    }


@pytest.mark.parametrize("arguments", [("--most", "0"), ("--most", "many"), ("--account",)])
def test_a_forecast_that_is_asked_for_wrongly_ends_with_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it looks for Kafka."""
    with pytest.raises(SystemExit) as ended:
        main(["forecast", *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err

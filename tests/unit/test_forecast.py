"""When credits run out: flat use gives the exact hour, the clock's doings shift it, and a seed gives one interval."""

import pytest

from schemas.account import AccountRow
from schemas.codec import encode_packed
from schemas.credits import MICROCREDITS_PER_CREDIT as CREDIT
from schemas.lot import Lot
from stream.rules.ledger.forecast import Forecast, forecast, last_day_rate
from stream.rules.ledger.use_curve import DAY_MS, HOUR_MS, UseCurve, days_of
from tests.unit.ledger_facts import ACME
from tests.unit.ledger_story import Story
from tests.unit.ledger_words import instant, moment

WEEK = 7 * 24


def account(story: str) -> tuple[AccountRow, list[Lot]]:
    """The rows that a story leaves."""
    book = Story(story).ledger.book(ACME)
    assert book is not None
    return book.row, list(book.lots())


def flat(credits_an_hour: int, hours: int = WEEK) -> list[int]:
    """The same use in every hour."""
    return [credits_an_hour * CREDIT] * hours


def of(story: str, hours: list[int], now: str) -> Forecast:
    """The forecast of what a story leaves."""
    return forecast(*account(story), hours, instant(now))


PLAN = "1 Nov: plan P 720"


@pytest.mark.parametrize(
    ("story", "use", "now", "run_out"),
    [
        ("grant T 100", 10, "3 Nov", "3 Nov 10:00"),
        ("grant T 100", 10, "3 Nov 17:05", "4 Nov 3:05"),
        ("grant T 105", 10, "3 Nov", "3 Nov 10:30"),
        ("grant T 100; grant U 50", 10, "3 Nov", "3 Nov 15:00"),
        # What expires before it is used shortens it, what begins lengthens it, where it is in time.
        ("grant T 480 until 4 Nov; grant U 50", 10, "3 Nov", "4 Nov 5:00"),
        ("grant T 480 until 4 Nov", 10, "3 Nov", "4 Nov"),
        ("grant T 480 until 4 Nov", 0, "3 Nov", "4 Nov"),
        ("grant T 250; grant U 100 from 4 Nov", 10, "3 Nov", "4 Nov 11:00"),
        ("grant T 230; grant U 100 from 4 Nov", 10, "3 Nov", "3 Nov 23:00"),
        ("grant T 240; grant U 100 from 4 Nov", 10, "3 Nov", "4 Nov 10:00"),
        # A lot that expires unused does not count, one that is used first does.
        ("grant T 100; grant U 100 until 4 Nov", 10, "3 Nov 18:00", "4 Nov 10:00"),
        # Renewals: 720 a month are 30 days of one an hour, and December has 31. What lasts until a renewal goes on.
        (PLAN, 1, "1 Nov", "31 Dec"),
        (f"{PLAN}; grant T 12", 1, "1 Nov", "31 Dec 12:00"),
        (f"{PLAN}; grant T 24", 1, "1 Nov", "never"),
        ("1 Nov: plan P 720 rollover 100 for 1", 1, "1 Nov", "31 Dec"),
        ("1 Nov: plan P 1440 rollover 720 for 1", 1, "1 Nov", "never"),
        ("1 Nov: plan P 720 on_payment", 1, "1 Nov", "1 Dec"),
        (f"{PLAN}; cancel", 1, "1 Nov", "1 Dec"),
        (f"{PLAN}; change Q 2000", 1, "1 Nov", "never"),
        # Refills are not counted on, and overage is not waited for.
        ("policy refill 100 below 50; grant T 100", 10, "3 Nov", "3 Nov 10:00"),
        ("1 Nov: plan P 100 carried", 10, "1 Nov", "1 Nov 10:00"),
        ("grant T 100", 0, "3 Nov", "never"),
        ("grant T 1000000", 1, "3 Nov", "never"),
    ],
)
def test_flat_use_meets_the_exact_time(story: str, use: int, now: str, run_out: str) -> None:
    """Each row: an account, credits an hour, now, and when nothing remains; then earliest and latest are the same."""
    found = of(story, flat(use), now)
    expected = None if run_out == "never" else instant(run_out)
    assert found.state == "known"
    assert (found.run_out_ms, found.earliest_ms, found.latest_ms) == (expected,) * 3


DAYS = [[1] * 24, [2] * 24, [0] * 12 + [30] + [0] * 11, [5] * 24, [0] * 24, [3] * 24, [1] * 24]
UNEVEN = [hour * CREDIT for day in DAYS for hour in day]


def test_uneven_use_comes_to_an_interval_that_is_the_same_every_time() -> None:
    """In any process: the seed is fixed, and nothing else is drawn."""
    found = of("grant T 100", UNEVEN, "3 Nov")
    told = [moment(each or 0) for each in (found.earliest_ms, found.run_out_ms, found.latest_ms)]
    assert (found.days, told) == (7, ["3T20:00", "5T09:20", "8T02:00"])


def test_days_stay_whole() -> None:
    """Every day has its rush at noon, of 10 or of 30 credits: nothing runs out at another hour."""
    days = [[0] * 12 + [rush] + [0] * 11 for rush in (10, 30, 10, 30, 10, 10, 30)]
    found = of("grant T 100", [hour * CREDIT for day in days for hour in day], "3 Nov")
    for at_ms in (found.earliest_ms, found.run_out_ms, found.latest_ms):
        assert at_ms is not None
        assert 12 * HOUR_MS < at_ms % DAY_MS <= 13 * HOUR_MS
    assert instant("6 Nov") < (found.earliest_ms or 0) < (found.run_out_ms or 0) < (found.latest_ms or 0)


def test_the_hour_of_the_day_does_not_matter() -> None:
    """Where the clock does nothing, a forecast that is asked for later says the same time after that."""
    row, lots = account("grant T 1000")
    now_ms = instant("3 Nov")
    told = []
    for later_ms in (0, 1, HOUR_MS // 3, 5 * HOUR_MS, 23 * HOUR_MS + 1):
        found = forecast(row, lots, UNEVEN, now_ms + later_ms)
        told.append([(each or 0) - later_ms for each in (found.run_out_ms, found.earliest_ms, found.latest_ms)])
    assert told == [told[0]] * 5


@pytest.mark.parametrize(
    ("story", "hours", "state", "remaining"),
    [
        ("grant T 100", 23, "unknown", 100),
        ("grant T 100", 0, "unknown", 100),
        ("grant T 100", 24, "known", 100),
        ("grant T 100; charge 100", WEEK, "out", 0),
        ("charge 530", WEEK, "out", -30),
        ("charge 530", 3, "out", -30),
        ("grant T 100 until 2 Nov", WEEK, "out", 0),
        ("grant T 100 until 2 Nov; grant U 7 from 3 Nov", WEEK, "known", 7),
    ],
)
def test_less_than_a_day_of_use_is_unknown_and_nothing_left_is_out(
    story: str, hours: int, state: str, remaining: int
) -> None:
    """What the clock should have done by now counts, though nobody did it yet."""
    found = of(story, flat(1, hours), "3 Nov")
    assert (found.state, found.remaining) == (state, remaining * CREDIT)
    if state == "out":
        assert found.run_out_ms == found.earliest_ms == found.latest_ms == instant("3 Nov")
    if state == "unknown":
        assert (found.run_out_ms, found.earliest_ms, found.latest_ms) == (None, None, None)


@pytest.mark.parametrize(("hours", "days"), [(24, 1), (47, 1), (48, 2), (168, 7), (500, 7)])
def test_whole_days_until_now_are_looked_at(hours: int, days: int) -> None:
    """What was used before them is not: here a thousand times as much."""
    use = flat(1_000, hours - days * 24) + flat(1, days * 24)
    found = of("grant T 100", use, "3 Nov")
    assert (found.days, found.run_out_ms) == (days, instant("7 Nov 4:00"))


def test_a_forecast_changes_nothing() -> None:
    """It is played on a copy."""
    row, lots = account("1 Nov: plan P 100 rollover 10 for 1; policy alert 20% refill 100 below 50; grant T 5")
    before = encode_packed((row, lots))
    forecast(row, lots, UNEVEN, instant("3 Nov"))
    assert encode_packed((row, lots)) == before


def test_the_last_days_rate_knows_nothing_else() -> None:
    """What forecasts are compared with: 24 credits a day, whatever was before."""
    hours = flat(1_000, 24) + flat(1, 24)
    assert last_day_rate(48 * CREDIT, hours, 0) == 2 * DAY_MS
    assert last_day_rate(48 * CREDIT, flat(0), 0) is None
    assert last_day_rate(10**6 * CREDIT, hours, 0) is None


def test_a_curve_reaches_what_is_used_until_then_and_no_sooner() -> None:
    """Every amount, of days with hours in which nothing is used."""
    days = days_of([0, 3, 0, 0, 7] + [0] * 19 + [1] * 24, 7)
    curve = UseCurve(days, [0, 1, 1, 0])
    for amount in range(1, 10 + 24 + 24 + 10 + 1):
        at_ms = curve.reaches(amount)
        assert at_ms is not None
        assert curve.until(at_ms) >= amount > curve.until(at_ms - 1)
    assert curve.reaches(69) is None
    assert curve.until(4 * DAY_MS) == curve.until(400 * DAY_MS) == 68

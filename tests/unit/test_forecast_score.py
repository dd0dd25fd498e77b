"""The figures of docs/forecast.md are what is measured, and the measuring itself is right where that is plain."""

from itertools import accumulate

import pytest

from stream.rules.ledger.use_curve import DAY_MS, HOUR_MS
from tests.benchmarks.forecast import EVERYBODY, Use, as_it_is, asked_of, loads, office_week, report_line
from tests.processes import ROOT


def test_documented_scores_are_what_is_measured() -> None:
    """Those of the trace's accounts as one: they are few, and go the same way as the others."""
    use = loads(as_it_is)[EVERYBODY]
    document = (ROOT / "docs" / "forecast.md").read_text(encoding="utf-8").splitlines()
    for days_left in (1, 2, 4, 7):
        assert report_line(f"the trace, {EVERYBODY}", days_left, asked_of(use, days_left)) in document


def test_even_use_is_foretold_to_the_event() -> None:
    """One credit at the end of each minute: both forecasts are right, but for the minute that an event comes late."""
    at_ms = list(range(60_000 - 1, 20 * DAY_MS, 60_000))
    use = Use(at_ms, [0, *accumulate([1] * len(at_ms))])
    asked = list(asked_of(use, 2))
    assert len(asked) == 17
    for each in asked:
        assert each.said_ms == each.by_rate_ms == each.really_ms + 1
        assert each.error(each.said_ms) < 0.001
        assert each.error(None) == float("inf")


@pytest.mark.parametrize(
    ("day", "hour", "weight"), [(0, 7, 1), (0, 8, 10), (4, 17, 10), (4, 18, 1), (5, 12, 3), (6, 3, 1), (7, 8, 10)]
)
def test_an_offices_week_has_nights_and_weekends(day: int, hour: int, weight: int) -> None:
    """Five days of ten hours."""
    assert office_week(day * DAY_MS + hour * HOUR_MS) == weight

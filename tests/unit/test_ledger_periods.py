"""Periods: their starts, their shares, and which rate-card line was in force."""

from datetime import date

import pytest

from stream.rules.ledger.periods import end_after, next_anchor, period_from, start_of
from stream.rules.ledger.plans import line_at
from tests.unit.ledger_story import Story
from tests.unit.ledger_words import instant


@pytest.mark.parametrize(
    ("anchor_day", "begins", "starts"),
    [
        (1, "2026-01-01", ["2026-02-01", "2026-03-01", "2026-04-01"]),
        (31, "2026-01-31", ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        (31, "2028-01-31", ["2028-02-29", "2028-03-31"]),
        (30, "2026-12-30", ["2027-01-30", "2027-02-28", "2027-03-30"]),
        (29, "2026-01-29", ["2026-02-28", "2026-03-29"]),
        (15, "2026-11-20", ["2026-12-15", "2027-01-15"]),
    ],
)
def test_starts_are_computed_from_the_anchor(anchor_day: int, begins: str, starts: list[str]) -> None:
    """A short month uses its last day, and shortens no later period."""
    day = date.fromisoformat(begins)
    found = []
    for _ in starts:
        day = next_anchor(anchor_day, day)
        found.append(day.isoformat())
    assert found == starts


def test_a_period_between_anchors_has_its_share_of_days() -> None:
    """From 1 November with anchor 15: 14 of the 31 days since 15 October."""
    period = period_from(15, instant("1 Nov 12:00"))
    assert (period.start_ms, period.end_ms, period.days) == (instant("1 Nov"), instant("15 Nov"), 31)
    assert (period.share.numerator, period.share.denominator) == (14, 31)


def test_periods_follow_one_another() -> None:
    """The end after so many periods is where the next one starts."""
    assert end_after(31, start_of(date(2027, 1, 31)), 2) == start_of(date(2027, 3, 31))


def test_the_rate_card_line_changes_at_most_five_times_in_40_days() -> None:
    """The row must stay small; later the account may change again."""
    changes = "; ".join(f"change basic 10 line l{number} now" for number in range(6))
    story = f"plan basic 10; {changes}"
    assert Story(f"{story}; change basic 10 line z now").answers == ["invalid_terms"]
    assert Story(f"{story}; 12 Dec: change basic 10 line z now").answers == []


def test_an_event_is_priced_by_the_line_that_was_in_force_when_it_occurred() -> None:
    """Before any plan, by the default line."""
    story = Story("plan basic 10 line gold; 15 Nov: change pro 20 line silver now; 20 Nov: cancel now")
    row = story.ledger.book("acme")
    assert row is not None
    lines = [line_at(row.row, instant(day) * 1_000) for day in ("1 Nov", "1 Nov 00:01", "14 Nov", "15 Nov", "20 Nov")]
    assert lines == ["default", "gold", "gold", "silver", "default"]

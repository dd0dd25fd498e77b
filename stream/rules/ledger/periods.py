"""Periods are [start, end) at 00:00 UTC, computed from the anchor: 31 January, 28 February, 31 March."""

from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache

from msgspec import Struct

DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)


class Period(Struct, frozen=True, gc=False):
    """From `start_ms` until before `end_ms`; `days` are those between the anchors around it."""

    start_ms: int
    end_ms: int
    days: int

    @property
    def share(self) -> Fraction:
        """Its own days by those between the anchors: 1, but for a first period that begins between them."""
        return Fraction((self.end_ms - self.start_ms) // DAY_MS, self.days)


def day_of(at_ms: int) -> date:
    """The UTC day of an instant."""
    return _EPOCH + timedelta(days=at_ms // DAY_MS)


def start_of(day: date) -> int:
    """The instant at which a UTC day begins."""
    return (day - _EPOCH).days * DAY_MS


def period_from(anchor_day: int, at_ms: int) -> Period:
    """The period that begins on the day of `at_ms` and ends on the next anchor."""
    first = day_of(at_ms)
    anchored = _anchored(anchor_day, first)
    following = next_anchor(anchor_day, first)
    return Period(start_of(first), start_of(following), (following - anchored).days)


def end_after(anchor_day: int, at_ms: int, periods: int) -> int:
    """The end of the last of so many periods that follow one another from `at_ms`."""
    day = day_of(at_ms)
    for _ in range(periods):
        day = next_anchor(anchor_day, day)
    return start_of(day)


def share_left(days: int, end_ms: int, now_ms: int) -> Fraction:
    """UTC days left until the end, today included, by the period's days."""
    return Fraction((day_of(end_ms) - day_of(now_ms)).days, days)


def month_of(at_ms: int) -> tuple[int, int]:
    """The UTC calendar month of an instant, from its start until before its end."""
    return _month_of_day(at_ms // DAY_MS)


@lru_cache(maxsize=1_024)
def _month_of_day(day: int) -> tuple[int, int]:
    first = day_of(day * DAY_MS).replace(day=1)
    return start_of(first), start_of(_in_month(first.year, first.month + 1, 1))


def month_number(at_ms: int) -> int:
    """UTC months since year 0: tells two months apart."""
    day = day_of(at_ms)
    return day.year * 12 + day.month - 1


def next_anchor(anchor_day: int, day: date) -> date:
    """The first anchor after a day."""
    this = _in_month(day.year, day.month, anchor_day)
    return this if this > day else _in_month(day.year, day.month + 1, anchor_day)


def _anchored(anchor_day: int, day: date) -> date:
    """The last anchor up to and including a day."""
    this = _in_month(day.year, day.month, anchor_day)
    return this if this <= day else _in_month(day.year, day.month - 1, anchor_day)


def _in_month(year: int, month: int, day: int) -> date:
    """That day of a month, or its last where the month is shorter; months run over into other years."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month, min(day, last))

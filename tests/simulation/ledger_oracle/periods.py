"""When billing periods begin and end: [start, end) at 00:00 UTC, counted from an anchor day."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction


@dataclass(frozen=True)
class Period:
    """`full_days` are those of the whole period by the anchor, of which a first one may be a part."""

    start: datetime
    end: datetime
    full_days: int

    def share_from(self, now: datetime) -> Fraction:
        """The UTC days that are left, today included, of the days of the whole period."""
        return Fraction((self.end.date() - now.date()).days, self.full_days)


def period_at(now: datetime, anchor_day: int) -> Period:
    """The whole period by the anchor in which `now` is."""
    starts = [_start(now.year, now.month + step, anchor_day) for step in (-1, 0, 1, 2)]
    start = max(each for each in starts if each <= now)
    end = min(each for each in starts if each > now)
    return Period(start, end, (end - start).days)


def first_period(now: datetime, anchor_day: int) -> Period:
    """What is left of the period, from today's 00:00."""
    whole = period_at(now, anchor_day)
    return Period(midnight(now.date()), whole.end, whole.full_days)


def later_end(end: datetime, anchor_day: int, periods: int) -> datetime:
    """The period end that comes so many period ends after this one."""
    for _ in range(periods):
        end = period_at(end, anchor_day).end
    return end


def midnight(day: date) -> datetime:
    """Its 00:00 UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def next_month(now: datetime) -> datetime:
    """The start of the next UTC month."""
    return _start(now.year, now.month + 1, 1)


def _start(year: int, month: int, anchor_day: int) -> datetime:
    """A short month begins its period on its last day."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return datetime(year, month, min(anchor_day, monthrange(year, month)[1]), tzinfo=UTC)

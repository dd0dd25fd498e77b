"""What an account will use if days of its past come again: a curve over the hours ahead."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

HOUR_MS = 3_600_000
DAY_HOURS = 24
DAY_MS = DAY_HOURS * HOUR_MS

Day = tuple[int, ...]
"""What was used of a day before each of its hours, and at its end, in microcredits."""


def days_of(hours: Sequence[int], most: int) -> list[Day]:
    """The whole days that end with the last hour, the oldest first, at most so many."""
    count = min(len(hours) // DAY_HOURS, most)
    first = len(hours) - count * DAY_HOURS
    return [(0, *accumulate(hours[first + day * DAY_HOURS : first + (day + 1) * DAY_HOURS])) for day in range(count)]


class UseCurve:
    """Microcredits used by so many milliseconds from now: exact at the hours, in proportion between them."""

    __slots__ = ("_before", "_days")

    def __init__(self, days: Sequence[Day], order: Sequence[int]) -> None:
        self._days = [days[each] for each in order]
        self._before = [0, *accumulate(day[-1] for day in self._days)]

    def until(self, after_ms: int) -> int:
        """What is used by then; no more after the last day."""
        day, rest = divmod(after_ms, DAY_MS)
        if day >= len(self._days):
            return self._before[-1]
        hour, rest = divmod(rest, HOUR_MS)
        before = self._days[day]
        return self._before[day] + before[hour] + (before[hour + 1] - before[hour]) * rest // HOUR_MS

    def reaches(self, amount: int) -> int | None:
        """The first millisecond by which so much, above 0, is used; None if that is not within the days."""
        day = bisect_left(self._before, amount) - 1
        if day >= len(self._days):
            return None
        rest, before = amount - self._before[day], self._days[day]
        hour = bisect_left(before, rest) - 1
        rest -= before[hour]
        return day * DAY_MS + hour * HOUR_MS - (-rest * HOUR_MS // (before[hour + 1] - before[hour]))

"""How good forecasts are on the shipped trace: `python -m tests.benchmarks.forecast`.

The trace lasts about an hour, so its windows are scaled: 5 s of it are an hour, 2 min a day, all of it about 29 days.
Times and tokens are real; accounts are assigned from a seed. At the end of every day each account is given what it
really used in the days after, so that it is known when that ran out, and a forecast is asked for. An hour of a service
has no nights and weekends: the second load weighs the same costs by the hours of an office's week.
"""

import math
import statistics
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

from producers.trace import TraceReplay, trace_events
from producers.trace_file import read_trace
from schemas.account import AccountRow
from schemas.identifiers import Account, GrantId, Node
from schemas.lot import Lot
from schemas.rate_card_file import read_rate_card
from stream.rules.ledger.forecast import KNOWN_DAYS, forecast, last_day_rate
from stream.rules.ledger.use_curve import DAY_HOURS, DAY_MS, HOUR_MS
from stream.rules.pricing import compile_card
from tests.processes import ROOT

SCALE = 720
"""Hours of the load in an hour of the trace: 5 s are an hour."""
EVERYBODY = "all accounts as one"
_DAYS_LEFT = (1, 2, 4, 7)
_BEGINS_AT = datetime(2026, 11, 2, tzinfo=UTC)
_HOURS_APART = 7
_NIGHT, _OFFICE, _WEEKEND = 1, 10, 3


class Use(NamedTuple):
    """What one account used: times in milliseconds after the start, ascending, and what was used up to each."""

    at_ms: list[int]
    before: list[int]

    def until(self, at_ms: int) -> int:
        """What is used before a time."""
        return self.before[bisect_left(self.at_ms, at_ms)]


class Asked(NamedTuple):
    """One forecast: when it was asked, when credits really ran out, what it said, and what the last day's rate says."""

    now_ms: int
    really_ms: int
    said_ms: int | None
    earliest_ms: int | None
    latest_ms: int | None
    by_rate_ms: int | None

    def error(self, said_ms: int | None) -> float:
        """How far off, by how long it really took; never is infinitely far."""
        return math.inf if said_ms is None else abs(said_ms - self.really_ms) / (self.really_ms - self.now_ms)

    def is_covered(self) -> bool:
        """Whether it really was between earliest and latest."""
        return (self.earliest_ms or math.inf) <= self.really_ms <= (self.latest_ms or math.inf)


def loads(weigh: Callable[[int], int]) -> dict[str, Use]:
    """The use of each account of the trace, and of all as one, each cost weighed by when it occurred."""
    requests = read_trace()
    lasts = timedelta(milliseconds=requests[-1].offset_ms) * SCALE
    prices = compile_card(read_rate_card(ROOT / "deploy" / "rate-cards" / "2026-01.toml")).prices
    costs: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for event in trace_events(requests, TraceReplay(run="forecast", begins_at=_BEGINS_AT, lasts=lasts)):
        at_ms = (event.occurred_at - _BEGINS_AT) // timedelta(milliseconds=1)
        cost = prices[Node(event.node)].cost_microcredits(event.quantity * 1_000_000) * weigh(at_ms)
        for account in (event.part.account, EVERYBODY):
            costs[account].append((at_ms, cost))
    return {
        account: Use([at for at, _ in each], [0, *accumulate(cost for _, cost in each)])
        for account, each in costs.items()
    }


def as_it_is(_: int) -> int:
    """The trace's own rhythm."""
    return 1


def office_week(at_ms: int) -> int:
    """Nights a tenth of office hours, weekends between."""
    day, hour = at_ms // DAY_MS % 7, at_ms // HOUR_MS % DAY_HOURS
    if day >= 5:
        return _WEEKEND if 9 <= hour < 18 else _NIGHT
    return _OFFICE if 8 <= hour < 18 else _NIGHT


def asked_of(use: Use, days_left: int, first_day: int = 1) -> Iterator[Asked]:
    """A forecast at the end of each day, of an account that has what it really uses in up to so many days."""
    last_day = use.at_ms[-1] // DAY_MS - days_left
    for day in range(first_day, last_day + 1):
        now_ms = day * DAY_MS
        # It ends at any hour of that day.
        ends_ms = now_ms + days_left * DAY_MS - day * _HOURS_APART % DAY_HOURS * HOUR_MS
        remaining = use.until(ends_ms) - use.until(now_ms)
        if not remaining:
            continue
        really_ms = use.at_ms[bisect_left(use.before, use.until(now_ms) + remaining) - 1]
        starts = range(max(0, day - KNOWN_DAYS) * DAY_MS, now_ms, HOUR_MS)
        hours = [use.until(start + HOUR_MS) - use.until(start) for start in starts]
        found = forecast(*holding(remaining), hours, now_ms)
        by_rate_ms = last_day_rate(remaining, hours, now_ms)
        yield Asked(now_ms, really_ms, found.run_out_ms, found.earliest_ms, found.latest_ms, by_rate_ms)


def holding(remaining: int) -> tuple[AccountRow, list[Lot]]:
    """An account that has so much in one lot without an end."""
    name = Account("account")
    lot = Lot(name, GrantId("lot"), "top_up", 50, 0, granted=remaining, held=remaining, started=True)
    return AccountRow(name, granted=remaining, held=remaining, balance=remaining), [lot]


def report_line(name: str, days_left: int, asked: Iterable[Asked]) -> str:
    """Medians of the relative errors, and how often the interval held."""
    each = list(asked)
    said = statistics.median(one.error(one.said_ms) for one in each)
    by_rate = statistics.median(one.error(one.by_rate_ms) for one in each)
    covered = sum(one.is_covered() for one in each) / len(each)
    return f"| {name} | {days_left} | {len(each)} | {said:.1%} | {by_rate:.1%} | {covered:.0%} |"


def main() -> None:
    """Print the table of docs/forecast.md."""
    print("| load | days left | forecasts | median error | of the last day's rate | inside the interval |")
    print("|---|---|---|---|---|---|")
    for name, weigh in (("the trace", as_it_is), ("an office's week", office_week)):
        uses = loads(weigh)
        everybody = uses.pop(EVERYBODY)
        for days_left in _DAYS_LEFT:
            asked = (one for use in uses.values() for one in asked_of(use, days_left))
            print(report_line(f"{name}, {len(uses)} accounts", days_left, asked))
        for days_left in _DAYS_LEFT:
            print(report_line(f"{name}, {EVERYBODY}", days_left, asked_of(everybody, days_left)))


if __name__ == "__main__":
    main()

"""When an account's credits run out if it goes on as in its last days, and within which times that probably is.

The future is played on a copy of the account: what the clock will do to it is done by the rules that do it, so that
known expiries, starts, rollovers and renewals come as they will. Renewals that wait for a payment, and refills, are not
taken for granted.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import Struct, structs

from schemas.account import AccountRow
from schemas.lot import Lot
from schemas.plan import Policy
from stream.rules.ledger.book import Book
from stream.rules.ledger.charge import charge
from stream.rules.ledger.clock import fire, turn_months
from stream.rules.ledger.posting import Cause, Posting
from stream.rules.ledger.settle import refresh, settle
from stream.rules.ledger.use_curve import DAY_HOURS, DAY_MS, UseCurve, days_of

KNOWN_DAYS = 7
"""The use of so many days is looked at, in whole days; with less than one nothing is said."""
HORIZON_DAYS = 90
RUNS = 200
_SEED = 0x63726564697473
_MASK = (1 << 64) - 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[AccountRow, list[Lot]]).decode
_CLOCK = Cause("clock")


class Forecast(Struct, frozen=True):
    """When Remaining meets 0, in milliseconds since 1970; None is not within 90 days.

    Of 200 futures half are out of credits by `run_out_ms`, a tenth by `earliest_ms`, nine tenths by `latest_ms`. The
    state is `out` if nothing remains now, `unknown` if less than a day of use is known; `days` of it were looked at.
    """

    state: Literal["known", "unknown", "out"]
    remaining: int
    days: int = 0
    run_out_ms: int | None = None
    earliest_ms: int | None = None
    latest_ms: int | None = None


def forecast(row: AccountRow, lots: Sequence[Lot], hours: Sequence[int], now_ms: int) -> Forecast:
    """The forecast of an account; `hours` has the microcredits used in each hour until now, the oldest first."""
    future = _Future(row, lots, now_ms)
    days = days_of(hours, KNOWN_DAYS)
    if future.remaining <= 0:
        return Forecast("out", future.remaining, len(days), now_ms, now_ms, now_ms)
    if not days:
        return Forecast("unknown", future.remaining)
    # Days that are all alike come to the same future in whatever order.
    orders = _orders(len(days)) if len(set(days)) > 1 else [[0] * HORIZON_DAYS]
    runs = sorted((future.run_out(UseCurve(days, order)) for order in orders), key=_never_last)
    earliest, middle, latest = (runs[(len(runs) * tenths - 1) // 10] for tenths in (1, 5, 9))
    return Forecast("known", future.remaining, len(days), middle, earliest, latest)


def last_day_rate(remaining: int, hours: Sequence[int], now_ms: int) -> int | None:
    """When credits run out at the last day's rate: what forecasts are compared with; None is not within 90 days."""
    used = sum(hours[-DAY_HOURS:])
    after_ms = -(-remaining * DAY_MS // used) if used else HORIZON_DAYS * DAY_MS
    return now_ms + after_ms if after_ms < HORIZON_DAYS * DAY_MS else None


class _Future:
    """An account as it is now; each future begins with a copy of it."""

    def __init__(self, row: AccountRow, lots: Sequence[Lot], now_ms: int) -> None:
        # No refill is asked for, and no alert told.
        quiet = structs.replace(row, policy=Policy(), alarms=[], refill=None)
        book = _waked(_encode((quiet, list(lots))))
        while book.due_at_ms <= now_ms:
            _post(book, book.due_at_ms, fire)
        self._kept = _encode((book.row, list(book.lots())))
        self._due_at_ms = book.due_at_ms
        self._now_ms = now_ms
        self.remaining = book.row.remaining

    def run_out(self, curve: UseCurve) -> int | None:
        """When nothing remains if that is used."""
        end_ms = self._now_ms + HORIZON_DAYS * DAY_MS
        run_out_ms = self._by_use(curve, self.remaining)
        if run_out_ms is not None and run_out_ms < self._due_at_ms:
            return run_out_ms
        book = _waked(self._kept)
        used = 0
        while book.due_at_ms < end_ms:
            due_at_ms = book.due_at_ms
            run_out_ms = self._by_use(curve, used + book.row.remaining)
            if run_out_ms is not None and run_out_ms < due_at_ms:
                return run_out_ms
            # Between two instants of the clock nothing changes what burns first: all of it is one charge.
            before, used = used, curve.until(due_at_ms - self._now_ms)
            _burn(book, due_at_ms - 1, used - before)
            _post(book, due_at_ms, fire)
            if book.row.remaining <= 0:
                return due_at_ms
        return self._by_use(curve, used + book.row.remaining)

    def _by_use(self, curve: UseCurve, amount: int) -> int | None:
        after_ms = curve.reaches(amount)
        return None if after_ms is None else self._now_ms + after_ms


def _post(book: Book, at_ms: int, act: Callable[[Posting], None]) -> None:
    turn_months(book, at_ms)
    posting = Posting(book, _CLOCK, at_ms)
    act(posting)
    settle(posting)


def _burn(book: Book, at_ms: int, cost: int) -> None:
    if cost:
        _post(book, at_ms, lambda posting: charge(posting, cost, draws_late=False))


def _waked(kept: bytes) -> Book:
    row, lots = _decode(kept)
    book = Book(row, lots)
    refresh(book)
    return book


def _never_last(run_out_ms: int | None) -> tuple[bool, int]:
    return run_out_ms is None, run_out_ms or 0


@lru_cache(maxsize=KNOWN_DAYS)
def _orders(days: int) -> list[list[int]]:
    """Which past day each day ahead is like, in every run.

    A run first draws as many days as are known, and then its days from these alone: that those known are themselves a
    draw makes what they come to as uncertain again as their order does. Measured in docs/forecast.md.
    """
    draw = _draws(days)
    orders = []
    for _ in range(RUNS):
        seen = [next(draw) for _ in range(days)]
        orders.append([seen[next(draw)] for _ in range(HORIZON_DAYS)])
    return orders


def _draws(below: int) -> Iterator[int]:
    """SplitMix64 from a fixed seed: the same whatever Python's own generator does."""
    state = _SEED
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
        yield (mixed ^ mixed >> 31) % below

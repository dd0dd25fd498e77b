"""A forecast of one future is what the ledger comes to when that use is booked hour by hour."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import encode_packed
from schemas.credits import MICROCREDITS_PER_CREDIT as CREDIT
from stream.rules.ledger.forecast import forecast
from stream.rules.ledger.ledger import Ledger
from stream.rules.ledger.use_curve import DAY_HOURS, HOUR_MS
from tests.unit.ledger_charges import charged
from tests.unit.ledger_facts import ACME
from tests.unit.ledger_records import balance_row
from tests.unit.ledger_story import Story
from tests.unit.ledger_words import instant

DAYS_AHEAD = 45

amounts = st.integers(1, 400)
days = st.integers(5, 30)


@st.composite
def lots(draw: st.DrawFn) -> str:
    """Grants that begin and end on days of November, or do not."""
    steps = []
    for number in range(draw(st.integers(0, 4))):
        begins = draw(st.one_of(st.just(""), days.map(lambda day: f" from {day} Nov")))
        ends = draw(st.one_of(st.just(""), st.integers(1, 12).map(lambda day: f" until {day} Dec")))
        kind = draw(st.sampled_from(["promotional", "top_up", "adjustment"]))
        steps.append(f"grant T{number} {draw(amounts)} {kind}{begins}{ends}")
    return "; ".join(steps)


@st.composite
def plans(draw: st.DrawFn) -> str:
    """No plan, or one with its rollover and what comes after it."""
    if draw(st.booleans()):
        return ""
    rollover = draw(st.sampled_from(["", " rollover 50 for 1", " rollover 400 for 2"]))
    renews = draw(st.sampled_from(["", " on_payment"]))
    steps = [f"plan P {draw(amounts)} anchor {draw(st.integers(1, 31))}{rollover}{renews}"]
    steps.append(draw(st.sampled_from(["", "cancel", "change Q 300", "change Q 20 anchor 9"])))
    return "; ".join(filter(None, steps))


patterns = st.lists(st.integers(0, 6), min_size=DAY_HOURS, max_size=DAY_HOURS).map(lambda each: each * 2)


@settings(max_examples=60)
@given(st.tuples(lots(), plans()), patterns, st.integers(0, 23))
def test_the_ledger_comes_to_the_same_hour(told: tuple[str, str], use: list[int], hour: int) -> None:
    """Nothing remains for the first time in the hour that was said, or at its end; or never, if that was said."""
    now_ms = instant("4 Nov") + hour * HOUR_MS
    story = "; ".join(filter(None, (*told, "grant last 50")))
    book = Story(story).ledger.book(ACME)
    assert book is not None
    row, rows = book.row, list(book.lots())
    hours = [each * CREDIT for each in use]
    found = forecast(row, rows, hours, now_ms)
    ledger = Ledger()
    ledger.restore(ACME, encode_packed(balance_row(row, book.due_at_ms)), [encode_packed(lot) for lot in rows])
    ledger.advance(now_ms)
    assert found.run_out_ms is None or found.run_out_ms > now_ms
    for ahead in range(DAYS_AHEAD * DAY_HOURS):
        end_ms = now_ms + (ahead + 1) * HOUR_MS
        ledger.advance(end_ms - 1)
        cost = hours[ahead % len(hours)]
        assert charged(ledger, ACME, cost, 1, "/s", f"e{ahead}", ahead, "v1", end_ms * 1_000, end_ms - 1) is None
        is_beyond = _remaining(ledger) < 0
        ledger.advance(end_ms)
        if is_beyond or _remaining(ledger) <= 0:
            assert found.run_out_ms is not None
            assert end_ms - HOUR_MS < found.run_out_ms <= end_ms
            return
    assert found.run_out_ms is None or found.run_out_ms > end_ms


def _remaining(ledger: Ledger) -> int:
    book = ledger.book(ACME)
    assert book is not None
    return book.row.remaining

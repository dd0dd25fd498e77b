"""What is known of the brokers' clock is never ahead of it."""

import pytest

from stream.engine.broker_clock import BrokerClock

# Append time in ms, and by when on the monotonic clock it was there.
Noted = list[tuple[int, float]]


@pytest.mark.parametrize(
    ("noted", "clock_ms", "now", "earlier_ms"),
    [
        ([], 90_000, 7.0, 90_000),
        ([(10_000, 5.0)], 90_000, 5.0, 10_000),
        ([(10_000, 5.0)], 90_000, 7.5, 12_500),
        ([(10_000, 5.0)], 11_000, 7.5, 11_000),
        ([(10_000, 5.0), (9_000, 6.0)], 90_000, 7.0, 12_000),
        ([(10_000, 5.0), (12_500, 6.0)], 90_000, 7.0, 13_500),
    ],
    ids=["nothing known", "at once", "later", "a clock behind", "an old record", "a record that came faster"],
)
def test_a_clock_is_no_later_than_what_the_brokers_show(
    noted: Noted, clock_ms: int, now: float, earlier_ms: int
) -> None:
    """Each row is what was seen, a clock, and what is left of it: the record that took the shortest way tells best."""
    known = BrokerClock()
    for appended_ms, seen in noted:
        known.note(appended_ms, seen)
    assert known.no_later(clock_ms, now) == earlier_ms

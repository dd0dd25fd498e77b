"""A lane hands out a tick once everything older than its clock was handed out."""

import pytest

from stream.engine.lane import FEW, MANY, Lane, Offsets, Tick
from tests.unit.test_lane import GRACE, booked, many

LATER = 1_000_000.0
CLOCK_MS = 5_000


def read_lane(*, many_end: int = 10, few_end: int = 20) -> Lane:
    """Of inputs that begin at 10 and 20, read to these ends."""
    lane = Lane(3, 7, (10, 20), GRACE, lambda _: 0)
    lane.reached_end(MANY, many_end)
    lane.reached_end(FEW, few_end)
    return lane


@pytest.mark.parametrize(
    ("ends", "is_taken"),
    [((10, 20), True), ((9, 20), True), ((11, 20), False), ((10, 21), False), ((12, 22), False)],
)
def test_a_tick_waits_until_both_inputs_are_read_as_far_as_the_brokers_told(ends: Offsets, is_taken: bool) -> None:
    """Engine rule 16: each row is what they told; a lane that took itself for caught up was not."""
    lane = read_lane()
    assert lane.caught_up
    lane.expect(Tick(CLOCK_MS, ends))
    assert (lane.take(LATER) is not None) is is_taken


def test_a_tick_has_no_records_and_moves_nothing_but_the_clock() -> None:
    """Engine rule 16: it follows the chain, and a lost one is under way no longer than it takes to hand it out."""
    lane = read_lane()
    lane.expect(Tick(CLOCK_MS, (10, 20)))
    tick = lane.take(LATER)
    assert tick is not None
    assert (tick.is_tick, tick.clock_ms, tick.partition, tick.epoch) == (True, CLOCK_MS, 3, 7)
    assert (tick.after, tick.next, tick.runs, tick.count) == ((10, 20), (10, 20), [], 0)
    assert (lane.delivered, lane.position) == (0, (10, 20))
    assert lane.take(LATER) is None


def test_what_came_meanwhile_goes_before_a_tick() -> None:
    """Engine rule 16: a worker that stood still finds it in front of the ends that it asked for."""
    lane = read_lane()
    lane.expect(Tick(CLOCK_MS, (12, 20)))
    assert lane.take(0.0) is None
    lane.receive(MANY, many(1, 2, first=10), 0.0)
    assert lane.take(0.0) is None
    lane.reached_end(MANY, 12)
    assert lane.take(0.0) is None
    assert booked(lane.take(LATER)) == [(MANY, 1), (MANY, 2)]
    tick = lane.take(LATER)
    assert tick is not None
    assert (tick.is_tick, tick.after) == (True, (12, 20))


def test_a_tick_waits_for_the_end_that_comes_after_a_record() -> None:
    """An end that was met before it says nothing."""
    lane = read_lane()
    lane.receive(FEW, many(1, first=20), 0.0)
    lane.expect(Tick(CLOCK_MS, (10, 21)))
    assert booked(lane.take(LATER)) == [(FEW, 1)]
    assert lane.take(LATER) is None
    lane.reached_end(FEW, 21)
    assert lane.take(LATER) is not None


def test_a_tick_waits_for_an_open_transaction() -> None:
    """Engine rule 16: its records are older, between the end that a reader of committed ones meets and the log's."""
    lane = read_lane()
    lane.expect(Tick(CLOCK_MS, (10, 23)))
    assert lane.take(LATER) is None
    lane.reached_end(FEW, 23)
    assert lane.take(LATER) is not None


def test_a_later_tick_takes_the_place_of_one_that_waits() -> None:
    """One at most waits."""
    lane = read_lane()
    lane.expect(Tick(CLOCK_MS, (11, 20)))
    lane.expect(Tick(CLOCK_MS + 1_000, (10, 20)))
    tick = lane.take(LATER)
    assert tick is not None
    assert tick.clock_ms == CLOCK_MS + 1_000
    assert lane.take(LATER) is None


def test_a_record_has_its_own_time_and_is_no_tick() -> None:
    """Its batch leaves the clock to the processor."""
    lane = read_lane()
    lane.receive(MANY, many(1, first=10), 0.0)
    batch = lane.take(LATER)
    assert batch is not None
    assert (batch.is_tick, batch.clock_ms) == (False, 0)

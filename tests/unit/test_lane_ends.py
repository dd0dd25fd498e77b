"""An input is at its end where its log ends, and not where an open transaction holds its reader back."""

import pytest

from stream.engine.lane import FEW, LARGEST_BATCH_RECORDS, MANY, MOST_RECORDS_WAITING, Lane
from tests.unit.test_lane import GRACE, booked, many

LATER = 1_000_000.0
BOTH_WAYS = pytest.mark.parametrize(("waiting", "other"), [(MANY, FEW), (FEW, MANY)])


class Logs:
    """A lane, and the high watermarks that its reader knows of: of empty logs, until they are moved."""

    def __init__(self) -> None:
        self.high = [0, 0]
        self.lane = Lane(3, 7, (0, 0), GRACE, lambda which: self.high[which])


@BOTH_WAYS
def test_a_record_waits_while_a_transaction_of_the_other_input_is_open(waiting: int, other: int) -> None:
    """Engine rule 9: the reader's end is before the log's, and what is between may be older; commands at a tie, too."""
    logs = Logs()
    logs.high[other] = 5
    logs.lane.reached_end(other, 3)
    logs.lane.receive(waiting, many(20), 0.0)
    assert logs.lane.take(LATER) is None
    logs.lane.receive(other, many(10, first=3), LATER)
    assert booked(logs.lane.take(LATER)) == [(other, 10)]
    assert logs.lane.take(LATER) is None
    logs.lane.reached_end(other, 5)
    assert booked(logs.lane.take(LATER)) == [(waiting, 20)]


@BOTH_WAYS
def test_a_record_goes_on_when_the_transaction_is_aborted(waiting: int, other: int) -> None:
    """Only the end moves, past the aborted records and their marker."""
    logs = Logs()
    logs.high[other] = 5
    logs.lane.reached_end(other, 3)
    logs.lane.receive(waiting, many(20), 0.0)
    assert logs.lane.take(LATER) is None
    logs.high[other] = 6
    assert logs.lane.take(LATER) is None
    logs.lane.reached_end(other, 6)
    assert booked(logs.lane.take(LATER)) == [(waiting, 20)]


@BOTH_WAYS
def test_a_transaction_that_begins_at_the_end_is_noticed_without_another_end(waiting: int, other: int) -> None:
    """librdkafka tells an end once; its high watermark moves on with every fetch."""
    logs = Logs()
    logs.lane.reached_end(other, 0)
    logs.lane.receive(waiting, many(20), 0.0)
    logs.high[other] = 1
    assert logs.lane.take(LATER) is None


def test_what_the_log_holds_counts_once_the_grace_is_over() -> None:
    """A transaction that begins before that may have an older record."""
    logs = Logs()
    logs.lane.reached_end(FEW, 0)
    logs.lane.receive(MANY, many(20), 0.0)
    assert logs.lane.take(GRACE / 2) is None
    logs.high[FEW] = 1
    assert logs.lane.take(GRACE) is None


def test_a_record_waits_for_no_transaction_that_began_after_its_grace() -> None:
    """One that begins before another ends, over and over, would hold it back for ever."""
    logs = Logs()
    logs.high[FEW] = 5
    logs.lane.reached_end(FEW, 3)
    logs.lane.receive(MANY, many(20), 0.0)
    logs.lane.receive(MANY, many(30, first=1), GRACE / 2)
    assert logs.lane.take(GRACE) is None
    logs.high[FEW] = 9
    logs.lane.reached_end(FEW, 5)
    assert booked(logs.lane.take(LATER)) == [(MANY, 20)]
    assert logs.lane.take(LATER) is None
    logs.lane.reached_end(FEW, 9)
    assert booked(logs.lane.take(LATER)) == [(MANY, 30)]


def test_an_end_is_no_end_while_the_high_watermark_is_not_known() -> None:
    """A fetch that failed, as when its leader moved, leaves -1."""
    logs = Logs()
    logs.lane.reached_end(FEW, 3)
    logs.lane.receive(MANY, many(20), 0.0)
    logs.high[FEW] = -1
    assert logs.lane.take(LATER) is None
    logs.high[FEW] = 3
    assert booked(logs.lane.take(LATER)) == [(MANY, 20)]


def test_a_log_that_became_shorter_holds_nothing_back() -> None:
    """Its high watermark was 5, and the records behind 3 were lost with a broker."""
    logs = Logs()
    logs.high[FEW] = 5
    logs.lane.reached_end(FEW, 3)
    logs.lane.receive(MANY, many(20), 0.0)
    assert logs.lane.take(LATER) is None
    logs.high[FEW] = 3
    assert booked(logs.lane.take(LATER)) == [(MANY, 20)]


@pytest.mark.parametrize(
    ("waiting", "end", "hungry"),
    [
        (LARGEST_BATCH_RECORDS - 1, 5, True),
        (LARGEST_BATCH_RECORDS, 5, False),
        (LARGEST_BATCH_RECORDS, 3, True),
        (MOST_RECORDS_WAITING, 3, True),
    ],
)
def test_a_lane_that_may_not_book_what_waits_reads_on(waiting: int, end: int, hungry: bool) -> None:
    """Or what it waits for would never come: each row is how much usage waits, and how far the commands' 5 are read."""
    logs = Logs()
    logs.high[FEW] = 5
    logs.lane.receive(MANY, many(*range(waiting)), 0.0)
    logs.lane.reached_end(FEW, end)
    assert logs.lane.hungry is hungry

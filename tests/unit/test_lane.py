"""A lane merges a partition's inputs by append time and cuts them into batches, within its bounds."""

import pytest
from confluent_kafka import Message

from stream.engine import lane as lanes
from stream.engine.lane import (
    FEW,
    LARGEST_BATCH_RECORDS,
    MANY,
    MOST_BYTES_WAITING,
    MOST_RECORDS_WAITING,
    Batch,
    Lane,
    Offsets,
)

GRACE = 0.05
END = 1_000_000


def record(at_ms: int, offset: int, value: bytes = b"x") -> Message:
    """A record of either input."""
    return Message(topic="t", partition=3, offset=offset, key=b"k", value=value, timestamp=(2, at_ms))


def many(*times_ms: int, first: int = 0) -> list[Message]:
    """Records one after the other."""
    return [record(at_ms, first + place) for place, at_ms in enumerate(times_ms)]


def new_lane(position: Offsets = (0, 0)) -> Lane:
    """Of partition 3, in epoch 7, whose inputs' logs go as far as `END`."""
    return Lane(3, 7, position, GRACE, lambda _: END)


def booked(batch: Batch | None) -> list[tuple[int, int]]:
    """(input, append time) in booking order."""
    assert batch is not None
    return [(which, each.timestamp()[1]) for which, records in batch.runs for each in records]


def test_inputs_are_merged_by_append_time_commands_first_at_a_tie() -> None:
    """Engine rule 9: each input keeps its own order."""
    lane = new_lane()
    lane.receive(MANY, many(10, 20, 20, 30), 0.0)
    lane.receive(FEW, many(20, 20, 25), 0.0)
    lane.reached_end(MANY, END)
    lane.reached_end(FEW, END)
    expected = [(MANY, 10), (FEW, 20), (FEW, 20), (MANY, 20), (MANY, 20), (FEW, 25), (MANY, 30)]
    assert booked(lane.take(1.0)) == expected


def test_an_empty_lane_has_no_batch() -> None:
    """Neither before it reached the ends nor after."""
    lane = new_lane()
    assert lane.take(9.0) is None
    lane.reached_end(MANY, END)
    lane.reached_end(FEW, END)
    assert lane.take(9.0) is None
    assert lane.caught_up


@pytest.mark.parametrize(("waiting", "other"), [(MANY, FEW), (FEW, MANY)])
def test_a_record_waits_while_the_other_input_is_not_at_its_end(waiting: int, other: int) -> None:
    """However long that takes: what is missing may be older."""
    lane = new_lane()
    lane.receive(waiting, many(10), 0.0)
    lane.reached_end(waiting, END)
    assert lane.take(1_000_000.0) is None
    lane.reached_end(other, END)
    assert booked(lane.take(1_000_000.0)) == [(waiting, 10)]


def test_a_record_waits_no_longer_than_a_newer_record_of_the_other_input() -> None:
    """What is older or equal is settled at once, without end or grace; the newer one waits on."""
    lane = new_lane()
    lane.receive(MANY, many(10, 20), 0.0)
    lane.receive(FEW, many(20), 0.0)
    assert booked(lane.take(0.0)) == [(MANY, 10), (FEW, 20)]
    assert lane.take(0.0) is None


def test_at_the_end_of_the_other_input_a_record_waits_for_the_grace_since_it_was_received() -> None:
    """A command appended before it may still be on its way."""
    lane = new_lane()
    lane.reached_end(FEW, END)
    lane.receive(MANY, many(10), 0.0)
    assert lane.take(GRACE - 0.001) is None
    lane.receive(FEW, many(9), GRACE - 0.001)
    lane.reached_end(FEW, END)
    assert booked(lane.take(GRACE)) == [(FEW, 9), (MANY, 10)]


def test_new_records_put_an_input_back_before_its_end() -> None:
    """Until its end is met again."""
    lane = new_lane()
    lane.reached_end(MANY, END)
    lane.reached_end(FEW, END)
    lane.receive(FEW, many(10), 0.0)
    lane.receive(MANY, many(20), 0.0)
    assert booked(lane.take(5.0)) == [(FEW, 10)]
    assert not lane.caught_up


def test_batches_are_a_chain() -> None:
    """Engine rule 1: each begins where the one before ended, by the offsets that were read, gaps and all."""
    lane = new_lane((100, 50))
    lane.receive(MANY, [record(10, 103), record(30, 110)], 0.0)
    lane.receive(FEW, [record(20, 58), record(40, 60)], 0.0)
    first = lane.take(0.0)
    assert first is not None
    assert (first.partition, first.epoch, first.after, first.next, first.count) == (3, 7, (100, 50), (111, 59), 3)
    lane.reached_end(MANY, END)
    second = lane.take(1.0)
    assert second is not None
    assert (second.after, second.next, second.count) == ((111, 59), (111, 61), 1)
    assert lane.delivered == 2


def test_a_batch_has_at_most_5000_records() -> None:
    """The rest comes next, whatever its runs."""
    lane = new_lane()
    lane.receive(MANY, many(*range(0, 12_000, 2)), 0.0)
    lane.receive(FEW, many(*range(1, 12_000, 2)), 0.0)
    lane.reached_end(MANY, END)
    lane.reached_end(FEW, END)
    times, counts = [], []
    while (batch := lane.take(1.0)) is not None:
        counts.append(batch.count)
        times += [at_ms for _, at_ms in booked(batch)]
    assert counts == [LARGEST_BATCH_RECORDS, LARGEST_BATCH_RECORDS, 2_000]
    assert times == list(range(12_000))


def test_consecutive_records_of_an_input_are_one_run() -> None:
    """However they were received."""
    lane = new_lane()
    lane.receive(MANY, many(1, 2), 0.0)
    lane.receive(MANY, many(3, 4, first=2), 0.0)
    lane.reached_end(FEW, END)
    batch = lane.take(1.0)
    assert batch is not None
    assert [(which, len(records)) for which, records in batch.runs] == [(MANY, 4)]


def test_a_lane_is_full_by_records() -> None:
    """Each input has its bound: the other may be what it waits for."""
    lane = new_lane()
    lane.receive(MANY, many(*range(MOST_RECORDS_WAITING - 1)), 0.0)
    assert not lane.full(MANY)
    lane.receive(MANY, many(MOST_RECORDS_WAITING), 0.0)
    assert (lane.full(MANY), lane.full(FEW)) == (True, False)
    lane.reached_end(FEW, END)
    lane.take(10.0)
    assert not lane.full(MANY)


def test_a_lane_is_full_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken no longer counts."""
    assert MOST_BYTES_WAITING == 64 << 20
    monkeypatch.setattr(lanes, "MOST_BYTES_WAITING", 1_000)
    lane = new_lane()
    lane.receive(FEW, [record(1, 0, b"x" * 600), record(2, 1, b"x" * 400)], 0.0)
    assert (lane.full(FEW), lane.full(MANY), lane.waiting_bytes) == (True, False, 1_000)
    lane.reached_end(MANY, END)
    lane.take(1.0)
    assert (lane.full(FEW), lane.waiting_bytes) == (False, 0)


def test_records_without_value_have_a_place_in_the_chain() -> None:
    """A tombstone is a dead letter later; here it is a record."""
    lane = new_lane()
    lane.receive(MANY, [Message(topic="t", partition=3, offset=0, value=None, timestamp=(2, 1))], 0.0)
    lane.reached_end(FEW, END)
    batch = lane.take(1.0)
    assert batch is not None
    assert batch.next == (1, 0)

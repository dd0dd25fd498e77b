"""Offsets settled out of order, as a partition's committed offset and its note tell them to the next notifier."""

import hypothesis.strategies as st
from hypothesis import given

from sinks.notify.positions import Positions
from sinks.records import Place

PLACE = Place("credits.alerts", 0)


def positions(committed: int = 0, metadata: str = "") -> Positions:
    """Of one partition."""
    made = Positions()
    made.take(PLACE, committed, metadata)
    return made


def test_the_first_open_record_is_what_is_committed() -> None:
    """Later ones that are settled go with it, and once all are, the next offset stands alone."""
    made = positions(5)
    assert all(made.read(PLACE, offset) for offset in (5, 6, 8))
    made.settle(PLACE, 6)
    assert made.due() == {PLACE: (5, '{"until":9,"open":[0,3]}')}
    made.settle(PLACE, 5)
    made.settle(PLACE, 8)
    assert made.due() == {PLACE: (9, "")}


def test_what_was_committed_is_due_no_longer() -> None:
    """Until something moves."""
    made = positions(5)
    made.read(PLACE, 5)
    made.committed(made.due())
    assert made.due() == {}
    made.settle(PLACE, 5)
    assert made.due() == {PLACE: (6, "")}


def test_a_note_that_is_none_of_ours_says_nothing() -> None:
    """All from the committed offset on is open, as with the sink's note."""
    for metadata in ("", "{", '{"rewind_to":3,"servers":{}}', "[]"):
        made = positions(5, metadata)
        assert made.read(PLACE, 5)
        assert made.read(PLACE, 6)


def test_a_long_note_is_cut_and_stays_within_what_kafka_keeps() -> None:
    """What is behind the cut counts as open, though it may be settled."""
    made = positions(0)
    for offset in range(100_000):
        made.read(PLACE, offset)
        if offset % 2:
            made.settle(PLACE, offset)
    ((offset, metadata),) = made.due().values()
    assert offset == 0
    assert len(metadata) < 4_096
    following = positions(offset, metadata)
    opened = [each for each in range(100_000) if following.read(PLACE, each)]
    assert opened == [*range(0, 512, 2), *range(512, 100_000)]


def test_a_topic_that_was_made_again_is_read_from_its_beginning() -> None:
    """Its offsets are below what was committed of the old one: none of them counts as settled."""
    made = positions(100, '{"until":120,"open":[3]}')
    assert [made.read(PLACE, offset) for offset in range(3)] == [True] * 3
    made.settle(PLACE, 0)
    assert made.due() == {PLACE: (1, '{"until":3,"open":[0,1]}')}


def test_what_is_open_before_a_place_that_is_read_again_stays_open() -> None:
    """What is behind it is read again itself."""
    made = positions(0)
    assert all(made.read(PLACE, offset) for offset in range(4))
    assert made.read(PLACE, 2)
    made.settle(PLACE, 2)
    assert made.due() == {PLACE: (0, '{"until":3,"open":[0,1]}')}


def test_of_partitions_that_are_not_ours_nothing_is_noted() -> None:
    """A late answer for a lost partition changes nothing."""
    made = positions(0)
    made.read(PLACE, 0)
    made.drop([PLACE])
    made.settle(PLACE, 0)
    assert made.due() == {}


@given(st.data())
def test_a_chain_of_notifiers_repeats_what_is_open_and_nothing_else(data: st.DataObject) -> None:
    """Each reads some records on, settles any of those that are open, commits, and is followed by another."""
    end = data.draw(st.integers(1, 40))
    settled: set[int] = set()
    made = positions()
    read_from, metadata = 0, ""
    for _ in range(data.draw(st.integers(1, 5))):
        made = positions(read_from, metadata)
        read_to = data.draw(st.integers(read_from, end))
        opened = [offset for offset in range(read_from, read_to) if made.read(PLACE, offset)]
        assert opened == [offset for offset in range(read_from, read_to) if offset not in settled]
        now_settled = data.draw(st.lists(st.sampled_from(opened), unique=True)) if opened else []
        for offset in now_settled:
            made.settle(PLACE, offset)
        settled.update(now_settled)
        if due := made.due():
            read_from, metadata = due[PLACE]
        assert all(offset in settled for offset in range(read_from))

"""Whatever the interleaving in which records arrive, the booked order is the merge order."""

from collections.abc import Callable
from itertools import accumulate

from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.engine.lane import FEW, MANY, Lane

GRACE_MS = 50
Arrival = tuple[int, int, Message]
"""When, of which input, what."""

steps = st.lists(st.sampled_from([0, 0, 1, 5, 49, 50, 51, 200]), max_size=20)
latencies = st.lists(st.integers(0, GRACE_MS), min_size=20, max_size=20)
held = st.lists(st.sampled_from([0, 0, 0, 30, 400]), min_size=20, max_size=20)


def _appended(steps_ms: list[int]) -> list[Message]:
    """Records of one input, appended so many milliseconds after one another, with gaps in their offsets."""
    times = accumulate(steps_ms)
    return [
        Message(topic="t", partition=0, offset=3 * place, key=b"k", value=b"v", timestamp=(2, at_ms))
        for place, at_ms in enumerate(times)
    ]


def _arrivals(which: int, records: list[Message], latencies_ms: list[int]) -> list[Arrival]:
    """In order, each at most the grace after it was appended."""
    late = (record.timestamp()[1] + delay for record, delay in zip(records, latencies_ms, strict=False))
    return [(at_ms, which, record) for at_ms, record in zip(accumulate(late, max), records, strict=True)]


def _end_of(record: Message) -> int:
    return (record.offset() or 0) + 1


def _merged(many: list[Message], few: list[Message]) -> list[tuple[int, int]]:
    """(input, offset) by append time, the few first at a tie."""
    keyed = [(each.timestamp()[1], 0, each.offset() or 0, FEW) for each in few]
    keyed += [(each.timestamp()[1], 1, each.offset() or 0, MANY) for each in many]
    return [(which, offset) for _, _, offset, which in sorted(keyed)]


class Reading:
    """A lane, and all that was taken from it: each batch must follow the one before.

    Its seconds are taken for milliseconds, so that no fraction decides.
    """

    def __init__(self, high_watermark: Callable[[int], int] = lambda _: 0) -> None:
        self.lane = Lane(0, 1, (0, 0), GRACE_MS, high_watermark)
        self.booked: list[tuple[int, int]] = []
        self._position = (0, 0)

    def take(self, now_ms: int) -> None:
        """Take what may be booked."""
        while (batch := self.lane.take(now_ms)) is not None:
            assert batch.after == self._position
            self._position = batch.next
            self.booked += [(which, each.offset() or 0) for which, records in batch.runs for each in records]
            assert batch.count == sum(len(records) for _, records in batch.runs)


@settings(deadline=None)
@given(steps, steps, latencies, latencies)
def test_live_records_are_booked_in_merge_order(
    many_steps: list[int], few_steps: list[int], many_latencies: list[int], few_latencies: list[int]
) -> None:
    """Each arrives up to the grace after it was appended, and an input is at its end whenever nothing arrived."""
    many, few = _appended(many_steps), _appended(few_steps)
    arrivals = _arrivals(MANY, many, many_latencies) + _arrivals(FEW, few, few_latencies)
    reading = Reading()
    for now_ms in sorted({at_ms + later for at_ms, *_ in arrivals for later in (0, GRACE_MS, GRACE_MS + 1)}):
        for which in (MANY, FEW):
            records = [record for at_ms, other, record in arrivals if (at_ms, other) == (now_ms, which)]
            if records:
                reading.lane.receive(which, records, now_ms)
            reading.lane.reached_end(which, 0)
        reading.take(now_ms)
    assert reading.booked == _merged(many, few)
    assert reading.lane.waiting_records == reading.lane.waiting_bytes == 0


@settings(deadline=None)
@given(steps, steps, st.lists(st.tuples(st.sampled_from([MANY, FEW]), st.integers(1, 5)), max_size=30))
def test_a_backlog_is_booked_in_merge_order(
    many_steps: list[int], few_steps: list[int], chunks: list[tuple[int, int]]
) -> None:
    """Read in any chunks of either input, at any speed; an input is at its end once all of it was read."""
    inputs = {MANY: _appended(many_steps), FEW: _appended(few_steps)}
    left = {which: list(records) for which, records in inputs.items()}
    reading = Reading()
    for now_ms, (which, count) in enumerate([*chunks, (MANY, 20), (FEW, 20)]):
        records, left[which] = left[which][:count], left[which][count:]
        if records:
            reading.lane.receive(which, records, now_ms)
        for other in (MANY, FEW):
            if not left[other]:
                reading.lane.reached_end(other, 0)
        reading.take(now_ms)
    reading.take(1_000_000)
    assert reading.booked == _merged(inputs[MANY], inputs[FEW])


@settings(deadline=None)
@given(
    st.tuples(steps, steps),
    st.tuples(latencies, latencies),
    st.tuples(latencies, latencies),
    st.tuples(held, held),
)
def test_records_of_transactions_are_booked_in_merge_order(
    steps_ms: tuple[list[int], list[int]],
    latencies_ms: tuple[list[int], list[int]],
    ages_ms: tuple[list[int], list[int]],
    held_ms: tuple[list[int], list[int]],
) -> None:
    """Each is read when its transaction ends and none before it is open; a high watermark is at most the grace old."""
    inputs = [_appended(each) for each in steps_ms]
    seen = [
        _arrivals(which, inputs[which], [max(pair) for pair in zip(latencies_ms[which], held_ms[which], strict=True)])
        for which in (MANY, FEW)
    ]
    now_ms = 0

    def high_watermark(which: int) -> int:
        age_ms = ages_ms[which][now_ms % len(ages_ms[which])]
        return max((_end_of(each) for each in inputs[which] if each.timestamp()[1] <= now_ms - age_ms), default=0)

    reading = Reading(high_watermark)
    instants = {at_ms + later for each in seen for at_ms, *_ in each for later in (0, GRACE_MS, 2 * GRACE_MS)}
    for now_ms in sorted(instants):
        for which in (MANY, FEW):
            records = [record for at_ms, _, record in seen[which] if at_ms == now_ms]
            if records:
                reading.lane.receive(which, records, now_ms)
            read = (_end_of(record) for at_ms, _, record in seen[which] if at_ms <= now_ms)
            reading.lane.reached_end(which, max(read, default=0))
        reading.take(now_ms)
    assert reading.booked == _merged(*inputs)

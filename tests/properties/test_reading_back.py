"""Whatever a log holds and has lost: what is read back of a place are the committed records that came of it."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest import mock

import pytest
from confluent_kafka import KafkaException, TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.engine import log_ends, reading_back, restoring
from stream.engine.log_ends import LogEnds
from stream.engine.reading_back import CancelledReadingError, read_back
from tests.simulation.fake_consumer import FakeConsumer
from tests.simulation.fake_kafka import FakeKafka, serve, withdraw
from tests.simulation.fake_log import FakeLog, Fate
from tests.simulation.sim_scheduler import Scheduler

TOPIC = "output"
_addresses = itertools.count()


class PlacesOf:
    """Looks for a place in records that name theirs."""

    def __init__(self, place: int) -> None:
        self.topic = TOPIC
        self.place = place
        self.taken: list[list[bytes]] = []

    def places(self, value: bytes) -> tuple[int, int] | None:
        lowest, highest, _ = value.split()
        return None if lowest == b"-" else (int(lowest), int(highest))

    def take(self, values: Sequence[bytes]) -> None:
        self.taken.append(list(values))


class Log:
    """An output of partition 0 on a cluster of its own, and the clients that read it."""

    def __init__(self) -> None:
        self.address = f"reading-back-{next(_addresses)}"
        self.scheduler = Scheduler(1)
        self.cluster = FakeKafka(self.scheduler)
        self.log: FakeLog = self.cluster.create_topic(TOPIC, 1)[0]
        self.assigned = 0
        self._numbers = itertools.count()

    @contextmanager
    def served(self) -> Iterator[None]:
        """Readers find it, in its own time."""
        counting = self

        class Counted(FakeConsumer):
            def assign(self, partitions: Sequence[TopicPartition]) -> None:
                counting.assigned += 1
                super().assign(partitions)

        serve(self.address, self.cluster)
        with ExitStack() as stack:
            stack.callback(withdraw, self.address)
            stack.enter_context(mock.patch.object(log_ends, "Consumer", FakeConsumer))
            stack.enter_context(mock.patch.object(restoring, "Consumer", Counted))
            clock = SimpleNamespace(monotonic=lambda: self.scheduler.now)
            stack.enter_context(mock.patch.object(reading_back, "time", clock))
            yield

    def write(self, places: Sequence[tuple[int, int] | None], fate: Fate = Fate.COMMITTED) -> None:
        """One transaction with a record for each; open ones stay open."""
        name = f"t{next(self._numbers)}"
        for each in places:
            lowest, highest = each or ("-", "-")
            value = f"{lowest} {highest} {next(self._numbers)}".encode()
            self.log.append(None, value, [], 0, name)
        if fate is not Fate.OPEN:
            self.log.finish(name, fate, 0)

    def read(self, *wanted: int, cancelled: bool = False) -> list[list[bytes]]:
        """What was taken for each place, in the order asked."""
        look_ups = [PlacesOf(place) for place in wanted]
        flag = threading.Event()
        if cancelled:
            flag.set()
        config = {"bootstrap.servers": self.address}
        with self.served():
            read_back(config, LogEnds(config), 0, look_ups, flag)
        assert [len(each.taken) for each in look_ups] == [1] * len(wanted)
        return [each.taken[0] for each in look_ups]

    def holding(self, place: int) -> list[bytes]:
        """The committed records that are left and may have come of a place."""
        values = [each.value or b"" for each in self.log.history() if not each.gone]
        told = [(value, PlacesOf(place).places(value)) for value in values]
        return [value for value, places in told if places is not None and places[0] <= place <= places[1]]


# The steps from the end of one record to its beginning, and from there to its end; None for a record of no place.
spans = st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(0, 4)))
transactions = st.lists(
    st.tuples(st.lists(spans, min_size=1, max_size=6), st.sampled_from([Fate.COMMITTED, Fate.COMMITTED, Fate.ABORTED])),
    max_size=25,
)


@settings(deadline=None)
@given(transactions, st.lists(st.integers(0, 120), min_size=1, max_size=12), st.integers(0, 30))
def test_what_is_found_is_what_is_there(
    written: list[tuple[list[tuple[int, int] | None], Fate]], wanted: list[int], deleted: int
) -> None:
    """Of any places in any order; records may share a place, transactions be aborted, and a beginning be deleted."""
    log, place = Log(), 0
    for spans_of, fate in written:
        places: list[tuple[int, int] | None] = []
        reached = place
        for span in spans_of:
            places.append(None if span is None else (reached + span[0], reached + sum(span)))
            reached += sum(span) if span is not None else 0
        log.write(places, fate)
        # What was aborted is written again.
        place = reached if fate is Fate.COMMITTED else place
    log.log.delete_before(min(deleted, log.log.high))
    assert log.read(*wanted) == [log.holding(each) for each in wanted]


def test_a_record_far_back_is_found_in_few_steps() -> None:
    """A step takes milliseconds: twice as many records take one more."""
    log = Log()
    for number in range(2_000):
        log.write([(10 * number, 10 * number + 9), None])
    assert log.read(12_345) == [log.holding(12_345)]
    assert log.assigned <= 14


def test_places_of_one_record_are_found_at_once() -> None:
    """Of thousands that are asked for together, most are neighbours."""
    log = Log()
    for number in range(200):
        log.write([(1_000 * number, 1_000 * number + 999)])
    wanted = range(77_001, 77_900)
    assert log.read(*wanted) == [log.holding(77_500)] * len(wanted)
    assert log.assigned <= 10


def test_what_came_of_one_place_may_be_in_several_records() -> None:
    """Next to a place that was found before, or found twice."""
    log = Log()
    log.write([(0, 5), (5, 5), None, (5, 9), (9, 12)])
    assert [len(each) for each in log.read(3, 5, 5, 7, 9)] == [1, 3, 3, 1, 2]


def test_what_is_committed_and_not_yet_readable_is_waited_for() -> None:
    """A commit returns before its markers are written, and a reader of committed records ends in front of them."""
    log = Log()
    log.write([(0, 9)])
    log.write([(10, 19)], Fate.OPEN)
    log.scheduler.at(1.0, lambda: log.log.finish("t2", Fate.COMMITTED, 0))
    assert log.read(15) == [log.holding(15)]
    assert len(log.holding(15)) == 1


def test_a_log_that_cannot_be_read_to_its_end_is_no_answer() -> None:
    """What is open for long may hold what is looked for."""
    log = Log()
    log.write([(10, 19)], Fate.OPEN)
    with pytest.raises(TimeoutError, match="could not be read to its end"):
        log.read(15)


def test_a_cluster_that_is_away_is_no_answer() -> None:
    """It is asked again later."""
    log = Log()
    log.write([(10, 19)])
    log.cluster.down_until = 1_000.0
    with pytest.raises(KafkaException):
        log.read(15)


def test_reading_ends_when_nobody_waits_for_it() -> None:
    """The partition was given back."""
    log = Log()
    log.write([(10, 19)])
    with pytest.raises(CancelledReadingError):
        log.read(15, cancelled=True)

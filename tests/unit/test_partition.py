"""A partition books what follows, writes what moved, and never writes once it is broken."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from stream.engine import partition as partitions
from stream.engine.lane import MANY, Batch, Offsets, Run
from stream.engine.outbox import Later, Outbox, Record
from stream.engine.partition import (
    MOST_RECORDS_UNCOMMITTED,
    Applied,
    BrokenPartitionError,
    Checkpoint,
    Partition,
)
from stream.engine.processor import NEVER_MS, Log, LookUp
from stream.engine.progress import Progress, TopicIdentity, Topology, version_of
from stream.engine.tables import Table

INPUTS = ("many", "few")
EPOCH = 4


class Recorder:
    """A processor that notes what it is asked; `fails` makes it raise."""

    def __init__(self) -> None:
        self.tables: Sequence[Table[Any, Any]] = ()
        self.logs: Sequence[Log] = ()
        self.calls: list[tuple[object, ...]] = []
        self.due_ms = NEVER_MS
        self.wanted: Sequence[LookUp] = ()
        self.later: Later | None = None
        self.fails = ""

    def apply(self, runs: Sequence[Run], version: int, clock_ms: int, now_ms: int) -> int:
        if not runs:
            self._note("tick", version, clock_ms, now_ms)
            return clock_ms
        self._note("apply", version, len(runs))
        return clock_ms + 10

    def look_ups(self, runs: Sequence[Run]) -> Sequence[LookUp]:
        self._note("look_ups", len(runs))
        return self.wanted

    def answer(self, look_ups: Sequence[LookUp]) -> None:
        self._note("answer", *look_ups)

    def drain(self, version: int, booked_at_ms: int) -> Outbox:
        self._note("drain", version, booked_at_ms)
        return Outbox([("out", None, str(version).encode())], self.later)

    def adopt(self, broadcast: object) -> None:
        self._note("adopt", broadcast)

    def drained(self) -> None:
        self._note("drained")

    def _note(self, *call: object) -> None:
        self.calls.append(call)
        if self.fails == call[0]:
            raise ValueError("half of the batch is in memory")


class Scene:
    """A partition with its recorder, a clock that stands still, and a broadcast that may be changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, topology: Topology | None = None) -> None:
        self.now = 1_000.0
        clock = SimpleNamespace(monotonic=lambda: self.now, time_ns=lambda: 5_000_000)
        monkeypatch.setattr(partitions, "time", clock)
        self.recorder = Recorder()
        self.broadcast: tuple[int, object] = (9, "cards")
        restored = Progress(5, 2, {"many": 100, "few": 50}, broadcast_offset=8, clock_ms=7_000)
        self.restored = restored
        self.partition = Partition(0, INPUTS, self.recorder, restored, topology, lambda: self.broadcast)

    def apply(self, follows: Offsets, *, after: Offsets | None = None, epoch: int = EPOCH, count: int = 1) -> Applied:
        """Have a batch applied; it follows on from what is booked unless said otherwise."""
        start = self.partition.position if after is None else after
        return self.partition.apply(Batch(0, epoch, start, follows, [(MANY, [])], count), EPOCH)

    def tick(self, clock_ms: int, *, after: Offsets | None = None, epoch: int = EPOCH) -> Applied:
        """Have a tick applied, which is in its place unless said otherwise."""
        start = self.partition.position if after is None else after
        return self.partition.apply(Batch(0, epoch, start, start, [], 0, clock_ms=clock_ms), EPOCH)

    def prepared(self, *, empty: bool = False) -> Checkpoint:
        """A checkpoint that must be due."""
        checkpoint = self.partition.prepare(empty=empty)
        assert checkpoint is not None
        return checkpoint


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Checkpoint 5 of incarnation 2, at offsets 100 and 50."""
    return Scene(monkeypatch)


@pytest.mark.parametrize(
    ("after", "epoch", "applied"),
    [
        ((100, 50), EPOCH, Applied.BOOKED),
        ((100, 50), EPOCH - 1, Applied.STALE),
        ((99, 50), EPOCH - 1, Applied.STALE),
        ((99, 50), EPOCH, Applied.GAP),
        ((101, 50), EPOCH, Applied.GAP),
        ((100, 49), EPOCH, Applied.GAP),
        ((100, 51), EPOCH, Applied.GAP),
    ],
)
def test_a_batch_is_booked_only_if_it_follows_on_in_the_current_epoch(
    scene: Scene, after: Offsets, epoch: int, applied: Applied
) -> None:
    """Engine rule 1: each row is what the batch follows, its epoch, and what becomes of it."""
    assert scene.apply((120, 51), after=after, epoch=epoch) is applied
    is_booked = applied is Applied.BOOKED
    assert scene.partition.position == ((120, 51) if is_booked else (100, 50))
    assert (("apply", version_of(2, 6), 1) in scene.recorder.calls) is is_booked
    assert scene.partition.booked_batches == int(is_booked)


def test_the_same_batch_again_is_a_gap_and_not_booked_twice(scene: Scene) -> None:
    """A replay after a seek has another epoch, and this one is at its place no more."""
    scene.apply((120, 50), after=(100, 50))
    assert scene.apply((120, 50), after=(100, 50)) is Applied.GAP


def test_a_checkpoint_carries_outputs_and_progress_together(scene: Scene) -> None:
    """Next offsets, clock, broadcast offset and number of what the records are of; and what it follows."""
    scene.apply((120, 51))
    checkpoint = scene.prepared()
    version = version_of(2, 6)
    assert checkpoint.records == [("out", None, str(version).encode())]
    assert checkpoint.progress == Progress(6, 2, {"many": 120, "few": 51}, broadcast_offset=9, clock_ms=7_010)
    assert (checkpoint.before, checkpoint.progress.version) == (scene.restored, version)


def test_numbers_rise_by_one_though_checkpoints_are_still_in_flight(scene: Scene) -> None:
    """What is booked meanwhile belongs to the next one; durable is what was committed."""
    scene.apply((110, 50))
    first = scene.prepared()
    scene.apply((120, 50))
    assert scene.recorder.calls[-1] == ("apply", version_of(2, 7), 1)
    second = scene.prepared()
    assert (first.progress.checkpoint, second.progress.checkpoint) == (6, 7)
    assert second.before == first.progress
    assert scene.partition.durable == scene.restored
    scene.partition.committed(first)
    assert scene.partition.durable == first.progress


def test_what_is_worked_out_later_is_written_after_the_rest(scene: Scene) -> None:
    """By the one who writes: preparing a checkpoint takes no time for it."""
    worked_out: list[str] = []

    def later() -> list[Record]:
        worked_out.append("now")
        return [("later", None, b"6")]

    scene.recorder.later = later
    scene.apply((120, 50))
    checkpoint = scene.prepared()
    assert worked_out == []
    assert [topic for topic, _, _ in checkpoint.complete()] == ["out", "later"]
    assert worked_out == ["now"]


def test_nothing_is_prepared_when_nothing_moved(scene: Scene) -> None:
    """Engine rule 10: after the take-over's own, a checkpoint needs input, or to be asked for."""
    scene.partition.committed(scene.prepared())
    assert scene.partition.prepare() is None
    assert scene.prepared(empty=True).progress.checkpoint == 7
    scene.apply((120, 50))
    assert scene.prepared().progress.checkpoint == 8
    assert scene.partition.prepare() is None


def test_a_silent_partition_writes_a_checkpoint_every_hour(scene: Scene) -> None:
    """Engine rule 10: or the broker would forget its transactional id after 7 days."""
    scene.partition.committed(scene.prepared())
    scene.now += 3_599.9
    assert scene.partition.prepare() is None
    scene.now += 0.1
    scene.partition.committed(scene.prepared())
    assert scene.partition.prepare() is None


@pytest.mark.parametrize("moment", ["apply", "drain", "drained"])
def test_a_broken_partition_is_never_written_again(scene: Scene, moment: str) -> None:
    """Engine rule 2: each row is where an exception escaped; no timer, revoke or exit gets a checkpoint of it."""
    scene.apply((110, 50))
    scene.recorder.fails = moment
    with pytest.raises(BrokenPartitionError, match="half of the batch"):
        scene.apply((120, 50)) if moment == "apply" else scene.partition.prepare()
    scene.recorder.fails = ""
    for empty in (False, True):
        with pytest.raises(BrokenPartitionError):
            scene.partition.prepare(empty=empty)
    with pytest.raises(BrokenPartitionError):
        scene.apply((120, 50))
    assert scene.partition.durable == scene.restored


def test_a_batch_that_escaped_moves_no_progress(scene: Scene) -> None:
    """Engine rule 2: rows, outputs and progress change together."""
    scene.recorder.fails = "apply"
    with pytest.raises(BrokenPartitionError):
        scene.apply((120, 50))
    assert (scene.partition.position, scene.partition.clock_ms) == ((100, 50), 7_000)


def test_what_waits_behind_a_checkpoint_is_bounded(scene: Scene) -> None:
    """Full means: take no more input, until the next checkpoint has taken what is there."""
    scene.apply((110, 50), count=MOST_RECORDS_UNCOMMITTED - 1)
    assert not scene.partition.full
    scene.apply((111, 50), count=1)
    assert scene.partition.full
    scene.prepared()
    assert not scene.partition.full


def test_the_broadcast_is_adopted_between_batches_when_it_changed(scene: Scene) -> None:
    """Engine rule 11: the offset that was read is part of progress."""
    scene.apply((110, 50))
    scene.apply((111, 50))
    scene.broadcast = (12, "newer cards")
    assert scene.prepared().progress.broadcast_offset == 9
    scene.apply((112, 50))
    assert scene.prepared().progress.broadcast_offset == 12
    adopted = [(place, call[1]) for place, call in enumerate(scene.recorder.calls) if call[0] == "adopt"]
    assert adopted == [(0, "cards"), (5, "newer cards")]


def test_progress_keeps_the_restored_broadcast_offset_until_a_batch_adopts_one(scene: Scene) -> None:
    """Engine rule 11: an empty checkpoint must not say that prices were used which were not."""
    assert scene.prepared(empty=True).progress.broadcast_offset == 8


def test_the_first_checkpoint_tells_the_topology_when_it_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 5: the next take-over compares with it."""
    topology = Topology({"many": TopicIdentity("id", 4)})
    scene = Scene(monkeypatch, topology)
    assert scene.prepared().topology == topology
    assert scene.prepared(empty=True).topology is None


def test_an_input_nobody_read_begins_at_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress that names other topics says nothing of it."""
    scene = Scene(monkeypatch)
    fresh = Partition(0, INPUTS, scene.recorder, Progress(0, 1, {}), None, lambda: scene.broadcast)
    assert (fresh.position, fresh.next_version) == ((0, 0), version_of(1, 1))


@pytest.mark.parametrize(
    ("due_ms", "clock_ms", "after", "epoch", "applied"),
    [
        (8_000, 8_000, (100, 50), EPOCH, Applied.BOOKED),
        (8_000, 9_000, (100, 50), EPOCH, Applied.BOOKED),
        (0, 7_001, (100, 50), EPOCH, Applied.BOOKED),
        (8_000, 7_999, (100, 50), EPOCH, Applied.STALE),
        (0, 7_000, (100, 50), EPOCH, Applied.STALE),
        (NEVER_MS, 9_000, (100, 50), EPOCH, Applied.STALE),
        (8_000, 8_000, (99, 50), EPOCH, Applied.STALE),
        (8_000, 8_000, (100, 51), EPOCH, Applied.STALE),
        (8_000, 8_000, (100, 50), EPOCH - 1, Applied.STALE),
    ],
)
def test_a_tick_is_booked_if_it_moves_the_clock_to_what_is_due_in_its_place(
    scene: Scene, due_ms: int, clock_ms: int, after: Offsets, epoch: int, applied: Applied
) -> None:
    """Engine rule 16: each row is what is due, the tick, and what becomes of it; the clock stood at 7,000."""
    scene.recorder.due_ms = due_ms
    assert scene.tick(clock_ms, after=after, epoch=epoch) is applied
    is_booked = applied is Applied.BOOKED
    assert (("tick", version_of(2, 6), clock_ms, 5) in scene.recorder.calls) is is_booked
    assert scene.partition.clock_ms == (clock_ms if is_booked else 7_000)
    assert (scene.partition.position, scene.partition.booked_batches) == ((100, 50), 0)


def test_a_tick_is_in_the_next_checkpoint_and_one_that_is_not_due_makes_none(scene: Scene) -> None:
    """Engine rule 16: the clock goes on from there after a take-over, and idle partitions stay idle."""
    scene.partition.committed(scene.prepared())
    scene.tick(8_000)
    assert scene.partition.prepare() is None
    scene.recorder.due_ms = 8_000
    assert scene.partition.settled
    scene.tick(8_000)
    assert not scene.partition.settled
    scene.partition.committed(scene.prepared())
    assert scene.partition.settled
    assert scene.partition.durable.clock_ms == 8_000
    scene.recorder.due_ms = NEVER_MS
    scene.tick(9_000)
    assert scene.partition.prepare() is None


def test_the_broadcast_is_adopted_before_a_tick(scene: Scene) -> None:
    """Engine rule 11: a tick is a batch like any other."""
    scene.recorder.due_ms = 8_000
    scene.tick(8_000)
    assert [call[0] for call in scene.recorder.calls] == ["adopt", "tick"]


def test_a_tick_that_failed_breaks_the_partition(scene: Scene) -> None:
    """Engine rule 2: half of it may be in memory."""
    scene.recorder.due_ms, scene.recorder.fails = 8_000, "tick"
    with pytest.raises(BrokenPartitionError):
        scene.tick(8_000)
    assert scene.partition.clock_ms == 7_000


class Wanted:
    """A look-up of a place, in an output that is never read here."""

    topic = "out"

    def __init__(self, place: int) -> None:
        self.place = place

    def places(self, value: bytes) -> tuple[int, int] | None:
        raise NotImplementedError

    def take(self, values: Sequence[bytes]) -> None:
        raise NotImplementedError


def test_what_a_batch_needs_is_asked_until_nothing_is_new(scene: Scene) -> None:
    """Engine rule 17: what was found is not looked up again, and is told right before the batch is applied."""
    batch = Batch(0, EPOCH, (100, 50), (110, 50), [(MANY, [])], 1)
    first, second = Wanted(3), Wanted(8)
    scene.recorder.wanted = [first]
    assert scene.partition.look_ups(batch, EPOCH) == [first]
    scene.recorder.wanted = [Wanted(3), second]
    assert scene.partition.look_ups(batch, EPOCH, [first]) == [second]
    scene.recorder.wanted = [Wanted(8)]
    assert scene.partition.look_ups(batch, EPOCH, [first, second]) == []
    assert scene.partition.apply(batch, EPOCH, [first, second]) is Applied.BOOKED
    assert [call[0] for call in scene.recorder.calls[-3:]] == ["adopt", "answer", "apply"]
    assert scene.recorder.calls[-2] == ("answer", first, second)


@pytest.mark.parametrize(
    "batch",
    [
        Batch(0, EPOCH - 1, (100, 50), (110, 50), [(MANY, [])], 1),
        Batch(0, EPOCH, (99, 50), (110, 50), [(MANY, [])], 1),
        Batch(0, EPOCH, (100, 50), (100, 50), [], 0, clock_ms=8_000),
    ],
    ids=["stale", "gap", "tick"],
)
def test_nothing_is_looked_up_for_what_is_not_booked_or_has_no_records(scene: Scene, batch: Batch) -> None:
    """Engine rule 17: each row is a batch that is not the next one with records."""
    scene.recorder.wanted = [Wanted(3)]
    assert scene.partition.look_ups(batch, EPOCH) == ()
    assert scene.recorder.calls == []


@pytest.mark.parametrize("moment", ["look_ups", "answer"])
def test_a_processor_that_fails_over_look_ups_breaks_its_partition(scene: Scene, moment: str) -> None:
    """Engine rule 2: nothing more is written of it."""
    scene.recorder.fails = moment
    batch = Batch(0, EPOCH, (100, 50), (110, 50), [(MANY, [])], 1)
    with pytest.raises(BrokenPartitionError):
        scene.partition.apply(batch, EPOCH, [*scene.partition.look_ups(batch, EPOCH), Wanted(3)])
    with pytest.raises(BrokenPartitionError):
        scene.partition.prepare()
    assert scene.partition.look_ups(batch, EPOCH) == ()

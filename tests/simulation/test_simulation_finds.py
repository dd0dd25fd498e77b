"""The simulation is worth its time: an engine broken on purpose is found out."""

import logging
import warnings
from collections.abc import Callable, Iterator

import pytest

from stream.dedup_log import DedupLog
from stream.engine import checkpoint as checkpoints
from stream.engine.checkpoint import CheckpointWriter, Outcome
from stream.engine.lane import Batch, Lane
from stream.engine.partition import Applied, Checkpoint, Partition
from stream.engine.recovery import Recovery
from tests.simulation.sim_schedule import run

MOST_SCHEDULES = 200
OVERTAKEN_SEEDS = (79, 131, 197)
MISTAKEN_SEEDS = (352,)
"""Those that have shown it; should they no longer, others may."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The engine tells of every fault it meets, which are thousands."""
    logger = logging.getLogger("stream")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
    logger.setLevel(before)


def written_again(writer: CheckpointWriter, _: Checkpoint) -> Outcome | None:
    """Take every unknown outcome for a failure."""
    return None if writer.fence() else Outcome.LOST


def taken_for_committed(writer: CheckpointWriter, _: Checkpoint) -> Outcome | None:
    """Take every unknown outcome for a success."""
    return Outcome.COMMITTED if writer.fence() else Outcome.LOST


def told_by_its_number(writer: CheckpointWriter, checkpoint: Checkpoint) -> Outcome | None:
    """Take any checkpoint of the same number for this one: another owner may have written it."""
    if not writer.fence():
        return Outcome.LOST
    found = writer._read_progress(writer)
    if found is not None and found.checkpoint == checkpoint.progress.checkpoint:
        return Outcome.COMMITTED
    first = found is None and checkpoint.before.checkpoint == 0
    return None if first or found == checkpoint.before else Outcome.DIVERGED


@pytest.mark.parametrize("settle", [written_again, taken_for_committed, told_by_its_number])
def test_an_unknown_outcome_guessed_at_is_found(
    monkeypatch: pytest.MonkeyPatch, settle: Callable[[CheckpointWriter, Checkpoint], Outcome | None]
) -> None:
    """Engine rule 6: only the log knows whether a checkpoint was committed."""
    monkeypatch.setattr(CheckpointWriter, "_settle", settle)
    assert any(run(seed).problems for seed in (*MISTAKEN_SEEDS, *range(1, MOST_SCHEDULES)))


def test_a_gap_passed_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 1: a batch is booked only if it follows on from what is booked."""
    apply = Partition.apply

    def applied(partition: Partition, batch: Batch, epoch: int) -> Applied:
        if batch.epoch == epoch:
            partition._offsets = batch.after
        return apply(partition, batch, epoch)

    monkeypatch.setattr(Partition, "apply", applied)
    assert any(run(seed).problems for seed in range(1, MOST_SCHEDULES))


def test_an_open_transaction_taken_for_the_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 9: a reader's end is before the records of a transaction, and the other input overtook them."""

    def settled(lane: Lane, other: int, received: float, now: float) -> bool:
        return lane._at_end[other] and now - received >= lane.grace_seconds

    monkeypatch.setattr(Lane, "_settled", settled)
    assert any(run(seed).problems for seed in (*OVERTAKEN_SEEDS, *range(1, MOST_SCHEDULES)))


def test_a_partition_that_no_attempt_can_write_and_that_is_tried_for_ever_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Engine rule 7: it ended its process again and again, and the others did not go on."""
    monkeypatch.setattr(checkpoints, "_refuse_deterministic", lambda *_: None)
    assert any(run(seed).problems for seed in range(1, MOST_SCHEDULES))


def test_ids_that_never_expire_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 13: an id is known for the window, by the input's own time, and no longer."""
    begin = DedupLog.__init__

    def begun(log: DedupLog, topic: str, window_ms: int, budget_bytes: int) -> None:
        begin(log, topic, 10 * window_ms, budget_bytes)

    monkeypatch.setattr(DedupLog, "__init__", begun)
    assert any(run(seed).problems for seed in range(1, MOST_SCHEDULES))


def test_a_take_over_of_other_topics_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 5: offsets of a topic that was made again mean other records."""
    monkeypatch.setattr(Recovery, "_check_topology", lambda *_: None)
    assert any(run(seed).problems for seed in range(1, MOST_SCHEDULES))

"""The simulation is worth its time: an engine or a ledger broken on purpose is found out."""

import logging
import warnings
from collections.abc import Callable, Iterator

import pytest

from schemas.account import Refill
from schemas.lot import Lot
from schemas.plan import RefillPolicy
from stream.dedup_log import DedupLog
from stream.engine import checkpoint as checkpoints
from stream.engine.checkpoint import CheckpointWriter, Outcome
from stream.engine.lane import Batch, Lane
from stream.engine.partition import Applied, Checkpoint, Partition
from stream.engine.recovery import Recovery
from stream.ledger_tables import Lots
from stream.outputs import Outputs
from stream.rules.ledger import book as books
from stream.rules.ledger import clock, refill, thresholds
from stream.rules.ledger.ledger import Ledger
from stream.rules.ledger.posting import Posting
from stream.rules.ledger.sealing import Sealed
from tests.simulation.sim_schedule import run

MOST_SCHEDULES = 200
OVERTAKEN_SEEDS = (79, 131, 197)
MISTAKEN_SEEDS = (649, 2595)
RENEWED_SEEDS = (289, 319, 321)
LEDGER_SEEDS = (178, 25, 261)
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
    assert any(run(seed).problems for seed in (*RENEWED_SEEDS, *range(1, MOST_SCHEDULES)))


def burns_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lots burn by priority and start, whenever they end."""
    monkeypatch.setattr(books, "burn_order", lambda lot: (lot.priority, -lot.effective_at_ms, 0, lot.id))


def fires_timers_after_the_record_at_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record at the very millisecond at which credits end still burns them."""
    advance = Ledger.advance
    monkeypatch.setattr(Ledger, "advance", lambda ledger, now_ms: advance(ledger, now_ms - 1))


def skips_what_ends_with_a_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends at the instant at which a period does ends after its renewal."""
    ended = clock._ended

    def ended_but_at_a_tie(posting: Posting) -> list[Lot]:
        at_tie = posting.row.period_end_ms == posting.now_ms
        return [lot for lot in ended(posting) if lot.kind in ("plan", "rollover") or not at_tie]

    monkeypatch.setattr(clock, "_ended", ended_but_at_a_tie)


def loses_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a checkpoint has many, the last one is gone."""
    seal = Outputs.seal

    def sealed(outputs: Outputs, entries: Sealed, version: int) -> None:
        most = len(entries.lines) - 1 if len(entries.lines) > 8 else None
        seal(outputs, Sealed(entries.previous[:most], entries.lines[:most]), version)

    monkeypatch.setattr(Outputs, "seal", sealed)


def asks_twice_for_a_refill(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for is forgotten at once."""
    ask = refill._ask_if_low

    def ask_and_forget(posting: Posting, policy: RefillPolicy, state: Refill) -> None:
        ask(posting, policy, state)
        state.state = "idle"

    monkeypatch.setattr(refill, "_ask_if_low", ask_and_forget)


def takes_over_without_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a take-over only the lot that is in its account's row is left."""
    monkeypatch.setattr(Lots, "restore", lambda *_: 0)


def tells_a_threshold_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold is armed for good."""
    tell = thresholds._tell

    def tell_and_arm(posting: Posting, threshold: object, alarm: object, level: int, **more: bool) -> None:
        tell(posting, threshold, alarm, level, **more)  # type: ignore[arg-type]
        alarm.armed = True  # type: ignore[attr-defined]

    monkeypatch.setattr(thresholds, "_tell", tell_and_arm)


@pytest.mark.parametrize(
    "breaks",
    [
        burns_the_newest_first,
        fires_timers_after_the_record_at_their_time,
        skips_what_ends_with_a_period,
        loses_an_entry,
        asks_twice_for_a_refill,
        takes_over_without_lots,
        tells_a_threshold_again,
    ],
)
def test_a_broken_ledger_is_found(
    monkeypatch: pytest.MonkeyPatch, breaks: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """By what the oracle of the ledger makes of the same records, or by the chain of the entries."""
    breaks(monkeypatch)
    assert any(run(seed).problems for seed in (*LEDGER_SEEDS, *range(1, MOST_SCHEDULES)))

"""Engine rules on checkpoints, on a real broker: never half of one, never one twice, none too large to write."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from enum import Enum
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream.engine import checkpoint as checkpoints
from stream.engine import owner as owners
from stream.engine.checkpoint import CheckpointFailedError, Outcome, Ownership
from stream.engine.holding import Phase
from stream.engine.outbox import Record
from stream.engine.partition import Checkpoint
from stream.engine.progress import Progress
from tests.integration.engine_life import Life, live
from tests.integration.engine_scene import WAIT_SECONDS, EngineScene
from tests.processes import ROOT
from tests.servers import KafkaServer
from tests.simulation.observed import read_topic

NOTHING = Progress(0, 7, {})


@pytest.fixture
def engine(kafka: KafkaServer, topic_prefix: str, tmp_path: Path) -> Iterator[EngineScene]:
    """The engine on topics of this test's own, with one partition."""
    with EngineScene(kafka, topic_prefix, tmp_path) as scene:
        yield scene


class Moment(Enum):
    """When a commit fails: the broker did it, or did not."""

    COMMITTED = "committed"
    NOT_COMMITTED = "not committed"


class FaultyProducer(Producer):
    """Its commits fail as told, once each; then they are real."""

    faults: ClassVar[list[tuple[Moment, KafkaError]]] = []
    made: ClassVar[int] = 0

    def __init__(self, config: dict[str, Any]) -> None:
        assert config["transaction.timeout.ms"] == 120_000
        FaultyProducer.made += 1
        super().__init__(config)

    def commit_transaction(self, timeout: float = -1.0) -> None:
        if not self.faults:
            super().commit_transaction(timeout)
            return
        moment, error = self.faults.pop(0)
        if moment is Moment.COMMITTED:
            super().commit_transaction(timeout)
        raise KafkaException(error)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Moment, KafkaError]]:
    """What the next commits fail with."""
    monkeypatch.setattr(FaultyProducer, "faults", [])
    monkeypatch.setattr(FaultyProducer, "made", 0)
    monkeypatch.setattr(checkpoints, "Producer", FaultyProducer)
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic))
    return FaultyProducer.faults


def checkpoint(
    engine: EngineScene, number: int, *, before: Progress, offset: int = 0, records: list[Record] | None = None
) -> Checkpoint:
    """One that follows `before` and writes one output unless told otherwise."""
    progress = Progress(number, NOTHING.incarnation, {engine.many: offset, engine.few: 0})
    written: list[Record] = [(engine.output, None, f"{number} up to {offset}".encode())]
    return Checkpoint(written if records is None else records, progress, before, None)


def outputs(engine: EngineScene) -> list[bytes]:
    """What readers of committed records see."""
    return [each.value() or b"" for each in read_topic(engine.servers, engine.output, engine.partitions)]


@pytest.mark.parametrize("then", ["timer", "revoke", "exit"])
def test_rule_2_half_a_batch_is_never_written(engine: EngineScene, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """Rule 2: an exception escapes in the middle of a batch, and after it comes a timer, a revoke or the exit."""
    monkeypatch.setattr(owners, "_PAUSE_SECONDS", 0.2)

    def escape(record: Message) -> None:
        if record.key() == b"bad":
            raise ValueError("half of the batch is in memory")

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: life.running)
            engine.escape = escape
            engine.send_keys([*"aaaa", "bad", *"bbbbb"])
            await life.until(lambda: life.holding().failures == 1)
            life.owner.turn(0)
            engine.escape = lambda _: None
            if then == "revoke":
                await life.owner.revoke([0])
                life.owner.assign([0])
            if then != "exit":
                await life.until(lambda: engine.all_durable(life))
        if then == "exit":
            async with engine.life() as life:
                await life.until(lambda: engine.all_durable(life))

    live(story())
    engine.assert_once()


@pytest.mark.parametrize("code", [KafkaError._TIMED_OUT, KafkaError._FENCED])
@pytest.mark.parametrize("moment", Moment)
def test_rule_6_an_unknown_outcome_is_settled_by_progress(
    engine: EngineScene, faults: list[tuple[Moment, KafkaError]], moment: Moment, code: int
) -> None:
    """Rule 6: what was committed is not written again; what was not is, by a new producer."""
    writer = engine.writer()
    assert writer.fence()
    first = checkpoint(engine, 1, before=NOTHING, offset=3)
    assert writer.write(first) is Outcome.COMMITTED
    faults.append((moment, KafkaError(code, "as told", fatal=code == KafkaError._FENCED)))
    assert writer.write(checkpoint(engine, 2, before=first.progress, offset=5)) is Outcome.COMMITTED
    assert outputs(engine) == [b"1 up to 3", b"2 up to 5"]
    assert engine.progress().offsets == {engine.many: 5, engine.few: 0}


def test_rule_6_a_retriable_error_commits_the_same_transaction_again(
    engine: EngineScene, faults: list[tuple[Moment, KafkaError]]
) -> None:
    """Rule 6: whether the broker did it or not; the producer stays."""
    writer = engine.writer()
    assert writer.fence()
    timed_out = KafkaError(KafkaError._TIMED_OUT, "as told", retriable=True)
    faults += [(Moment.NOT_COMMITTED, timed_out)] * 2
    assert writer.write(checkpoint(engine, 1, before=NOTHING)) is Outcome.COMMITTED
    assert (outputs(engine), FaultyProducer.made) == ([b"1 up to 0"], 1)


def test_rule_6_fenced_while_it_is_ours_is_written_again(engine: EngineScene) -> None:
    """Rule 6: an outage longer than the transaction's time-out fences though nobody else is there."""
    writer = engine.writer()
    assert writer.fence()
    assert engine.writer().fence()
    assert writer.write(checkpoint(engine, 1, before=NOTHING)) is Outcome.COMMITTED
    assert outputs(engine) == [b"1 up to 0"]


def test_rule_6_fenced_and_not_ours_is_dropped_and_leaves_the_new_owner_alone(engine: EngineScene) -> None:
    """Rule 6: ownership is looked at before init_transactions, which is last-caller-wins."""
    answers = [Ownership.OURS]
    stale, other = engine.writer(ownership=lambda _: answers[-1]), engine.writer()
    assert stale.fence()
    assert other.fence()
    answers.append(Ownership.GONE)
    assert stale.write(checkpoint(engine, 1, before=NOTHING, offset=9)) is Outcome.LOST
    assert stale.fence() is False
    # A writer that was fenced settles, and would still succeed: the transaction itself must go through.
    other.transact(checkpoint(engine, 1, before=NOTHING, offset=4).records)
    assert outputs(engine) == [b"1 up to 4"]


def test_rule_6_another_checkpoint_of_the_same_number_is_another_checkpoint(engine: EngineScene) -> None:
    """Rule 6: progress that is neither this checkpoint's nor the one before means that somebody else went on."""
    stale, other = engine.writer(), engine.writer()
    assert stale.fence()
    assert other.fence()
    assert other.write(checkpoint(engine, 1, before=NOTHING, offset=4)) is Outcome.COMMITTED
    assert stale.write(checkpoint(engine, 1, before=NOTHING, offset=9)) is Outcome.DIVERGED
    assert outputs(engine) == [b"1 up to 4"]


def test_rule_6_a_partition_that_diverged_is_taken_over_anew(engine: EngineScene) -> None:
    """Rule 6: what another worker has booked meanwhile is restored, and booked by nobody else."""

    async def story() -> None:
        engine.send(5)
        async with engine.life() as stale:
            await stale.until(lambda: engine.all_durable(stale))
            engine.send(5)
            async with engine.life() as other:
                await other.until(lambda: engine.all_durable(other))
            engine.send(5)
            await stale.until(lambda: stale.durable() and stale.partition().position == (15, 0))

    live(story())
    engine.assert_once()


def test_rule_6_a_checkpoint_is_given_up_after_its_attempts(
    engine: EngineScene, faults: list[tuple[Moment, KafkaError]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 6: the attempts are bounded, and none of them left anything."""
    assert checkpoints.MOST_ATTEMPTS == 8
    monkeypatch.setattr(checkpoints, "MOST_ATTEMPTS", 3)
    writer = engine.writer()
    assert writer.fence()
    faults += [(Moment.NOT_COMMITTED, KafkaError(KafkaError._STATE, "as told"))] * 10
    with pytest.raises(CheckpointFailedError, match="partition 0, checkpoint 1: not written after 3 attempts"):
        writer.write(checkpoint(engine, 1, before=NOTHING))
    assert outputs(engine) == []


def test_rule_6_a_worker_that_does_not_know_whose_a_partition_is_fences_nobody(engine: EngineScene) -> None:
    """Rule 6: it stood still for longer than the group waits, and asks until the group answered."""
    answers = [Ownership.UNSURE, Ownership.UNSURE, Ownership.GONE]
    stale, other = engine.writer(ownership=lambda _: answers.pop(0)), engine.writer()
    assert other.fence()
    assert stale.fence() is False
    assert answers == []
    other.transact([(engine.output, None, b"still the owner")])
    assert outputs(engine) == [b"still the owner"]


@pytest.mark.parametrize("silent_seconds", [None, 0.0, 9.9, 10.1])
def test_rule_6_ownership_is_sure_for_as_long_as_the_group_waits(
    engine: EngineScene, silent_seconds: float | None
) -> None:
    """Rule 6: a session's time-out after the last heartbeat that was answered, 10 s here; who was fenced asks anew."""

    async def story() -> None:
        life = engine.life()
        async with life:
            holding = life.holding()
            life.owner.group_heard_at = None if silent_seconds is None else time.monotonic() - silent_seconds
            expected = Ownership.UNSURE if silent_seconds == 10.1 else Ownership.OURS
            assert life.owner._ownership(holding, -math.inf) is expected
            now = life.owner.group_heard_at = time.monotonic()
            assert life.owner._ownership(holding, now) is Ownership.UNSURE
            assert life.owner._ownership(holding, now - 1e-3) is Ownership.OURS
            holding.owned = False
            assert life.owner._ownership(holding, -math.inf) is Ownership.GONE

    live(story())


def test_rule_6_a_partition_that_cannot_be_written_three_times_in_a_row_ends_the_process(
    engine: EngineScene, faults: list[tuple[Moment, KafkaError]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 6: not before; each time it is taken over anew."""
    monkeypatch.setattr(owners, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "MOST_ATTEMPTS", 1)
    assert owners.MOST_FAILURES == 3

    def failed(life: Life, count: int) -> bool:
        return life.holding().failures == count

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: life.running and engine.checkpoints[0] > 0)
            for count in (1, 2, 3):
                assert engine.fatal == []
                await life.until(lambda: life.running)
                faults.append((Moment.NOT_COMMITTED, KafkaError(KafkaError._STATE, "as told")))
                engine.send(1)
                await life.until(partial(failed, life, count))
            assert life.holding().phase is Phase.FAILED
            assert len(engine.fatal) == 1

    live(story())
    assert engine.bookings() == []


def test_rule_6_a_process_that_does_not_end_softly_ends_hard() -> None:
    """Rule 6: whatever its threads hang in."""
    code = "import threading; from stream import app; app._exit_hard_after(0.1, 70); threading.Event().wait()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 70


def test_rule_7_a_full_queue_is_polled_until_there_is_room(
    engine: EngineScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 7: a checkpoint larger than the producer's queue is written whole and in order."""
    monkeypatch.setattr(checkpoints, "_QUEUE_RECORDS", 100)
    writer = engine.writer()
    assert writer.fence()
    values = [str(number).encode() for number in range(1_000)]
    records: list[Record] = [(engine.output, None, value) for value in values]
    assert writer.write(checkpoint(engine, 1, before=NOTHING, records=records)) is Outcome.COMMITTED
    assert outputs(engine) == values


@pytest.mark.parametrize("size_bytes", [2 << 20, 5 << 20])
def test_rule_7_a_record_that_nobody_takes_stops_its_partition_alone(
    kafka: KafkaServer, topic_prefix: str, tmp_path: Path, size_bytes: int
) -> None:
    """Rule 7: refused by the broker, or by the client before it; the partition fails at once, the other goes on."""
    with EngineScene(kafka, topic_prefix, tmp_path, partitions=2, largest_output_bytes=1_000_000) as engine:

        async def story() -> None:
            async with engine.life() as life:
                await life.until(lambda: life.running)
                engine.processors[0].padding = os.urandom(size_bytes)
                engine.send(1)
                await life.until(lambda: life.holding(0).phase is Phase.FAILED)
                assert "no attempt can write" in life.holding(0).failure
                engine.send(3, partition=1)
                await life.until(lambda: engine.processors[1].total == 3 and life.durable(1))
                assert life.holding(0).phase is Phase.FAILED

        live(story())
        assert engine.fatal == []


def test_rule_15_what_a_crash_left_unfinished_is_invisible_to_readers_of_committed_records(
    engine: EngineScene, faults: list[tuple[Moment, KafkaError]]
) -> None:
    """Rule 15: it is in the topic, and any other reader would count it."""
    crashed = engine.writer()
    assert crashed.fence()
    faults.append((Moment.NOT_COMMITTED, KafkaError(KafkaError._STATE, "the process dies here")))
    with pytest.raises(KafkaException):
        crashed.transact([(engine.output, None, b"unfinished")])
    crashed._producer.flush(WAIT_SECONDS)  # type: ignore[union-attr]
    after = engine.writer()
    assert after.fence()
    after.transact([(engine.output, None, b"finished")])
    assert outputs(engine) == [b"finished"]
    everything = read_topic(engine.servers, engine.output, 1, isolation="read_uncommitted")
    assert [each.value() for each in everything] == [b"unfinished", b"finished"]


def test_rule_15_the_documents_tell_readers_to_use_read_committed() -> None:
    """Rule 15: Java's default is another."""
    for document in ("docs/guarantees.md", "schemas/published/asyncapi.json"):
        assert "read_committed" in (ROOT / document).read_text(encoding="utf-8")

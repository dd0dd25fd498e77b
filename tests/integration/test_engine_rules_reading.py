"""Engine rules on reading, on a real broker: a chain without gaps, no silent reset, lag and heartbeats."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from stream import web
from stream.engine import owner as owners
from stream.engine import partition as partitions
from stream.engine.holding import Phase
from stream.engine.lag import Lag, lags
from stream.engine.lane import Batch
from tests.integration.engine_life import live
from tests.integration.engine_scene import EngineScene
from tests.servers import KafkaServer

if TYPE_CHECKING:
    from stream.app import Worker


@pytest.fixture
def engine(kafka: KafkaServer, topic_prefix: str, tmp_path: Path) -> Iterator[EngineScene]:
    """The engine on topics of this test's own, with one partition."""
    with EngineScene(kafka, topic_prefix, tmp_path) as scene:
        yield scene


def test_rule_1_a_batch_lost_before_another_is_read_again(engine: EngineScene) -> None:
    """Rule 1: the batch after it does not follow on, so nothing is booked until the lost one was."""
    lost: list[Batch] = []

    def deliver(batch: Batch) -> bool:
        if lost:
            return True
        lost.append(batch)
        engine.send(10)
        return False

    async def story() -> None:
        async with engine.life() as life:
            life.deliver = deliver
            engine.send(10)
            await life.until(lambda: engine.sent == 20 and engine.all_durable(life))
            assert life.owner.reader.epoch(0) > lost[0].epoch

    live(story())
    engine.assert_once()


def test_rule_1_a_batch_lost_with_nothing_after_it_is_read_again(
    engine: EngineScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 1: no gap would ever show, so batches that are under way for too long count as lost."""
    monkeypatch.setattr(owners, "VANISHED_SECONDS", 0.2)
    seen: list[Batch] = []

    def deliver(batch: Batch) -> bool:
        seen.append(batch)
        return len(seen) > 1

    async def story() -> None:
        async with engine.life() as life:
            life.deliver = deliver
            engine.send(10)
            await life.until(lambda: engine.all_durable(life))

    live(story())
    assert [each.count for each in seen] == [10, 10]
    engine.assert_once()


def test_rule_1_a_batch_of_an_older_epoch_is_not_applied(engine: EngineScene) -> None:
    """Rule 1: what was read before a seek comes after it, and follows on, but its time is over."""
    held: list[Batch] = []

    async def story() -> None:
        async with engine.life() as life:
            life.deliver = held.append
            engine.send(10)
            await life.until(lambda: bool(held))
            life.owner._seek_to_progress(life.holding())
            await life.until(lambda: not life.holding().seeking)
            assert held[0].after == life.partition().position
            life.owner.apply(held[0])
            assert (engine.counted, life.partition().position) == (0, (0, 0))
            life.deliver = lambda _: True
            life.owner._seek_to_progress(life.holding())
            await life.until(lambda: engine.all_durable(life))

    live(story())
    engine.assert_once()


def test_rule_1_offsets_without_records_are_no_gap(engine: EngineScene) -> None:
    """Rule 1: commit markers and aborted records take offsets that no batch holds."""
    producer = engine.transactional_producer("upstream")

    def transact(key: str, *, commit: bool) -> None:
        producer.begin_transaction()
        producer.produce(engine.many, b"x", key, 0)
        producer.flush()
        producer.commit_transaction() if commit else producer.abort_transaction()

    async def story() -> None:
        async with engine.life() as life:
            transact("first", commit=True)
            await life.until(lambda: engine.counted == 1 and life.durable())
            transact("aborted", commit=False)
            transact("second", commit=True)
            await life.until(lambda: engine.counted == 2 and life.durable())
            engine.send(2)
            await life.until(lambda: engine.counted == 4 and life.durable())
            assert life.owner.reader.epoch(0) == 1

    live(story())
    assert [each.offset for each in engine.bookings()] == [0, 4, 6, 7]


def test_rule_1_input_that_waits_without_progress_fails_health(
    engine: EngineScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 1: 30 s are the limit; reading again what is never booked is no progress either."""
    assert web.STALLED_SECONDS == 30.0
    monkeypatch.setattr(web, "STALLED_SECONDS", 3.0)
    monkeypatch.setattr(owners, "VANISHED_SECONDS", 0.5)

    async def story() -> None:
        async with engine.life() as life:
            worker = cast("Worker", SimpleNamespace(owner=life.owner))
            await life.until(lambda: life.running)
            await life.until(lambda: bool(life.owner.reader.ends))
            assert web.health_problems(worker) == []
            engine.send(10)
            await life.until(lambda: bool(web.health_problems(worker)), apply=False)
            assert "input waiting and no progress" in web.health_problems(worker)[0]

    live(story())


def test_rule_3_input_that_was_deleted_unbooked_refuses_its_partition_alone(
    kafka: KafkaServer, topic_prefix: str, tmp_path: Path
) -> None:
    """Rule 3: the error names topic, progress and the log's start and end; the other partition goes on."""
    with EngineScene(kafka, topic_prefix, tmp_path, partitions=2) as engine:

        async def before() -> None:
            async with engine.life() as life:
                await life.until(lambda: engine.all_durable(life))

        async def after() -> None:
            async with engine.life() as life:
                await life.until(lambda: life.holding(0).phase is Phase.FAILED)
                for told in (f"{engine.many} [0]", "offsets 15 to 20", "progress is 5"):
                    assert told in life.holding(0).failure
                engine.send(3, partition=1)
                await life.until(lambda: engine.processors[1].total == 3 and life.durable(1))

        engine.send(5)
        live(before())
        engine.send(15)
        engine.delete_before(engine.many, 15)
        live(after())


def test_rule_3_restores_begin_at_the_beginning_of_logs_that_were_cut(engine: EngineScene) -> None:
    """Rule 3: retention and compaction move a log's beginning, and nothing before it is asked for."""

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: engine.all_durable(life))

    engine.send(5)
    live(story())
    for topic in (engine.changelog, engine.config.progress_topic):
        # The claim alone is behind the beginning that is left.
        engine.delete_before(topic, 1)
    engine.send(5)
    live(story())
    engine.assert_once()


def test_rule_10_a_silent_partition_writes_nothing_but_its_heartbeat(
    engine: EngineScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 10: a checkpoint an hour keeps the transactional id from expiring."""
    assert partitions._HEARTBEAT_SECONDS == 3_600.0

    async def story() -> None:
        async with engine.life() as life:
            engine.send(3)
            await life.until(lambda: engine.all_durable(life))
            number = life.partition().durable.checkpoint
            for _ in range(10):
                await life.turn()
            assert life.holding().in_flight is None
            assert life.partition().durable.checkpoint == number
            monkeypatch.setattr(partitions, "_HEARTBEAT_SECONDS", 0.2)
            await life.until(lambda: life.partition().durable.checkpoint >= number + 2)

    live(story())
    assert engine.progress().offsets == {engine.many: 3, engine.few: 0}


def test_rule_10_lag_ends_at_the_last_stable_offset_and_what_is_held_back_is_told_apart(engine: EngineScene) -> None:
    """Rule 10: an open transaction upstream is no lag of ours, and has a figure of its own."""
    producer = engine.transactional_producer("upstream")

    async def story() -> None:
        async with engine.life() as life:

            def lag() -> list[Lag]:
                return lags(life.holding(), life.owner.reader)

            engine.send(4)
            await life.until(lambda: engine.all_durable(life))
            engine.send(3)
            producer.begin_transaction()
            producer.produce(engine.many, b"x", "open", 0)
            producer.flush()
            engine.send(2)
            await life.until(lambda: Lag(engine.many, 3, 3) in lag(), apply=False)
            producer.commit_transaction()
            # The commit's marker takes an offset too.
            await life.until(lambda: Lag(engine.many, 7, 0) in lag(), apply=False)

    live(story())

"""Engine rule 17 on a real broker: a batch is booked with what its partition wrote before, all of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream.engine import look_ups
from stream.engine import owner as owners
from stream.engine.reading_back import read_back
from tests.integration.engine_life import Life, live
from tests.integration.engine_scene import EngineScene
from tests.servers import KafkaServer


@pytest.fixture
def engine(kafka: KafkaServer, topic_prefix: str, tmp_path: Path) -> Iterator[EngineScene]:
    """The engine on topics of this test's own, with one partition."""
    with EngineScene(kafka, topic_prefix, tmp_path) as scene:
        yield scene


class Away:
    """The way to the log of one partition, closed until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.closed = True
        self.attempts = 0
        monkeypatch.setattr(look_ups, "_PAUSE_SECONDS", 0.05)
        monkeypatch.setattr(look_ups, "read_back", self._read_back)

    def _read_back(self, config: Any, ends: Any, partition: int, wanted: Any, cancelled: Any) -> None:
        self.attempts += 1
        if self.closed and partition == 0:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        read_back(config, ends, partition, wanted, cancelled)


async def booked(engine: EngineScene, life: Life) -> None:
    """Everything that was sent is in a committed checkpoint."""
    await life.until(lambda: engine.all_durable(life))


def test_rule_17_what_any_checkpoint_wrote_is_found(engine: EngineScene) -> None:
    """Rule 17: near and far, of this worker and of the one before, behind bookings that came of no such place."""
    first = [0, 99, 50, 7, 7]

    async def before() -> None:
        async with engine.life() as life:
            for _ in range(10):
                engine.send(10)
                engine.send(1, topic=engine.few)
                await booked(engine, life)

    async def after() -> None:
        async with engine.life() as life:
            await life.until(lambda: life.running)
            engine.ask_for(first)
            await booked(engine, life)
            engine.ask_for(reversed(range(100)))
            await booked(engine, life)

    live(before())
    live(after())
    bookings = engine.bookings()
    booked_in = {each.offset: each.version for each in bookings if each.topic == engine.many}
    found = [each.found for each in bookings if each.topic == engine.few and each.offset >= 10]
    assert found == [[booked_in[offset]] for offset in [*first, *reversed(range(100))]]
    engine.assert_once()


def test_rule_17_what_is_not_written_yet_is_found_too(engine: EngineScene) -> None:
    """Rule 17: what is asked for is in the same batch, or in memory, or in flight, or was committed this moment."""
    asked = list(range(80))

    async def story() -> None:
        async with engine.life(checkpoint_interval_seconds=0.01) as life:
            await life.until(lambda: life.running)
            for offset in asked:
                engine.send(1)
                engine.ask_for([offset])
                await life.turn()
            await booked(engine, life)

    live(story())
    engine.assert_found(asked)
    engine.assert_once()


def test_rule_17_what_a_checkpoint_takes_while_a_batch_waits_is_read_as_well(
    engine: EngineScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 17: the processor held it when it was asked first, and no more when the batch was booked."""
    away = Away(monkeypatch)

    async def story() -> None:
        async with engine.life() as life:
            engine.send(1)
            await booked(engine, life)
            engine.send(1)
            await life.until(lambda: engine.counted == 2, tick=False)
            engine.ask_for([0, 1])
            await life.until(lambda: away.attempts > 0, tick=False)
            assert engine.processors[0]._held(1)
            await life.until(lambda: life.partition().settled)
            assert not engine.processors[0]._held(1)
            away.closed = False
            await booked(engine, life)

    live(story())
    engine.assert_found([0, 1])
    assert away.attempts > 2


def test_rule_17_what_was_deleted_or_never_booked_is_not_found(engine: EngineScene) -> None:
    """Rule 17: that is an answer, and the batch is booked."""

    async def story() -> None:
        async with engine.life() as life:
            for _ in range(3):
                engine.send(10)
                await booked(engine, life)
            engine.delete_before(engine.output, 15)
            engine.ask_for([3, 20, 29, 500])
            await booked(engine, life)

    live(story())
    assert [len(each.found) for each in engine.bookings() if each.topic == engine.few] == [0, 1, 1, 0]


def test_rule_17_a_partition_that_cannot_read_waits_and_others_go_on(
    kafka: KafkaServer, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 17: its batches are neither lost nor taken for lost, and are booked in their order afterwards."""
    monkeypatch.setattr(owners, "VANISHED_SECONDS", 0.2)
    with EngineScene(kafka, topic_prefix, tmp_path, partitions=2) as engine:
        away = Away(monkeypatch)

        async def story() -> None:
            async with engine.life() as life:
                engine.send(1)
                engine.send(1, partition=1)
                await booked(engine, life)
                engine.ask_for([0])
                await life.until(lambda: away.attempts > 5)
                engine.send(10)
                engine.send(10, partition=1)
                await life.until(lambda: engine.processors[1].total == 11 and life.durable(1))
                assert engine.processors[0].total == 1
                away.closed = False
                await booked(engine, life)
                assert life.owner.reader.epoch(0) == 1

        live(story())
        assert engine.counted == engine.sent
        assert [len(each.found) for each in engine.bookings() if each.topic == engine.few] == [1]


def test_rule_17_a_partition_that_is_revoked_while_it_waits_is_read_again(
    engine: EngineScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 17: what waits goes with the partition, and nothing of it is booked later."""
    away = Away(monkeypatch)

    async def story() -> None:
        async with engine.life() as life:
            engine.send(1)
            await booked(engine, life)
            engine.ask_for([0])
            engine.send(5)
            await life.until(lambda: away.attempts > 0)
            await life.owner.revoke([0])
            assert life.holding().parked is None
            life.owner.assign([0])
            await life.until(lambda: life.running and life.holding().parked is not None)
            assert engine.counted == 1
            away.closed = False
            await booked(engine, life)

    live(story())
    engine.assert_found([0])
    engine.assert_once()


def test_rule_17_an_output_that_cannot_be_understood_fails_its_partition_alone(
    engine: EngineScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 17: what the processor makes of its records concerns it alone, as when it books."""
    told: list[BaseException] = []

    def fail(*_: object) -> None:
        raise ValueError("not a booking")

    async def story() -> None:
        async with engine.life() as life:
            engine.send(1)
            await booked(engine, life)
            monkeypatch.setattr(look_ups, "read_back", fail)
            life.owner._look_ups._fail = lambda _, error: told.append(error)
            engine.ask_for([0])
            await life.until(lambda: bool(told))
            assert life.holding().parked is None

    live(story())
    assert ["not a booking" in str(each) for each in told] == [True]

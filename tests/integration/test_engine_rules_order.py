"""Engine rule 9 on a real broker: the inputs of a partition are booked in the order of their append times."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.engine.lag import held_back_by
from tests.integration.engine_life import live
from tests.integration.engine_scene import EngineScene
from tests.servers import KafkaServer

GRACE_SECONDS = 0.05
"""As the worker's."""


@pytest.fixture
def engine(kafka: KafkaServer, topic_prefix: str, tmp_path: Path) -> Iterator[EngineScene]:
    """The engine on topics of this test's own, with one partition."""
    with EngineScene(kafka, topic_prefix, tmp_path) as scene:
        yield scene


def test_rule_9_inputs_are_booked_in_the_order_of_their_append_times(engine: EngineScene) -> None:
    """Rule 9: whatever came first from whichever topic; the second input first at a tie; each by offset."""
    for _ in range(20):
        engine.send(3)
        engine.send(2, topic=engine.few)

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: engine.all_durable(life))

    live(story())
    booked = [(each.appended_ms, each.topic == engine.many, each.offset) for each in engine.bookings()]
    assert booked == sorted(booked)
    assert len(booked) == engine.sent == 100


def test_rule_9_what_came_later_waits_until_the_other_input_is_read_to_its_end(engine: EngineScene) -> None:
    """Rule 9: the few are at hand at once, and the many before them take several polls."""
    engine.send(20_000)
    engine.send(20, topic=engine.few)

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: engine.all_durable(life))

    live(story())
    topics = [each.topic for each in engine.bookings()]
    assert topics == [engine.many] * 20_000 + [engine.few] * 20


@pytest.mark.parametrize("commit", [True, False])
def test_rule_9_what_came_later_waits_until_a_transaction_of_the_other_input_is_over(
    engine: EngineScene, commit: bool
) -> None:
    """Rule 9: its records are older, and who reads committed ones is at an end before them; waiting so is healthy."""
    producer = engine.transactional_producer("upstream")

    async def story() -> None:
        async with engine.life(merge_grace_seconds=GRACE_SECONDS) as life:
            engine.send(2)
            await life.until(lambda: engine.all_durable(life))
            producer.begin_transaction()
            producer.produce(engine.many, b"x", "open", 0)
            producer.flush()
            engine.send(1, topic=engine.few)
            await life.until(lambda: held_back_by(life.holding(), life.owner.reader) == engine.many)
            for _ in range(20):
                await life.turn()
                assert (engine.counted, life.holding().waiting_since) == (2, None)
            producer.commit_transaction() if commit else producer.abort_transaction()
            await life.until(lambda: engine.counted == 3 + commit and life.durable())
            assert held_back_by(life.holding(), life.owner.reader) is None

    live(story())
    assert [each.topic for each in engine.bookings()] == [engine.many] * (2 + commit) + [engine.few]


def test_rule_9_a_worker_that_starts_behind_an_open_transaction_waits_for_it_too(engine: EngineScene) -> None:
    """Rule 9: the end that a take-over begins at is no other, and more usage waits than a batch holds."""
    producer = engine.transactional_producer("upstream")
    producer.begin_transaction()
    producer.produce(engine.few, b"x", "open", 0)
    producer.flush()
    engine.send(6_000)

    async def story() -> None:
        async with engine.life(merge_grace_seconds=GRACE_SECONDS) as life:
            await life.until(lambda: held_back_by(life.holding(), life.owner.reader) == engine.few)
            assert engine.counted == 0
            producer.commit_transaction()
            await life.until(lambda: engine.counted == 6_001 and life.durable())

    live(story())
    assert [each.topic for each in engine.bookings()] == [engine.few] + [engine.many] * 6_000

"""Engine rule 16 on a real broker: the clock goes on without records, and never past one that is still unread."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from stream.engine import ticks
from stream.engine.processor import NEVER_MS
from stream.engine.ticks import BEHIND_MS
from tests.integration.engine_life import live
from tests.integration.engine_scene import EngineScene
from tests.integration.tallies import TIMER
from tests.processes import Running, wait_until
from tests.servers import KafkaServer

SHORT_MS = 300


@pytest.fixture
def engine(kafka: KafkaServer, topic_prefix: str, tmp_path: Path) -> Iterator[EngineScene]:
    """The engine on topics of this test's own, with one partition."""
    with EngineScene(kafka, topic_prefix, tmp_path) as scene:
        yield scene


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.mark.parametrize("ahead_seconds", [0, 3_600])
def test_rule_16_a_timer_fires_without_traffic_and_its_clock_outlives_the_worker(
    engine: EngineScene, monkeypatch: pytest.MonkeyPatch, ahead_seconds: int
) -> None:
    """Rule 16: once, in a checkpoint of its own, whatever the wall says; then the partition is as idle as before."""
    wall = SimpleNamespace(time_ns=lambda: time.time_ns() + ahead_seconds * 1_000_000_000)
    monkeypatch.setattr(ticks, "time", wall)
    due_ms = now_ms() + SHORT_MS

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: life.running)
            processor = engine.processors[0]
            processor.due_ms = due_ms
            await life.until(lambda: processor.due_ms == NEVER_MS and life.durable() and life.partition().settled)
            assert now_ms() - BEHIND_MS >= life.partition().clock_ms >= due_ms
            number = life.partition().durable.checkpoint
            quiet_until = time.monotonic() + 1.5
            await life.until(lambda: time.monotonic() > quiet_until)
            assert life.partition().durable.checkpoint == number

    live(story())
    assert [(each.topic, each.offset) for each in engine.bookings()] == [(TIMER, due_ms)]
    assert engine.progress().clock_ms == engine.bookings()[0].appended_ms >= due_ms


def test_rule_16_a_record_behind_the_clock_is_booked_at_the_clock(engine: EngineScene) -> None:
    """Rule 16: the clock of a partition never goes back, whatever a broker's does."""

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: life.running)
            partition, processor = life.partition(), engine.processors[0]
            partition._clock_ms = ahead_ms = now_ms() + 60_000
            processor.due_ms = ahead_ms
            engine.send(1)
            await life.until(lambda: engine.all_durable(life))
            assert (partition.clock_ms, processor.due_ms) == (ahead_ms, NEVER_MS)

    live(story())


def test_rule_16_a_clock_waits_for_an_open_transaction(engine: EngineScene) -> None:
    """Rule 16: its records are older than the clock would be."""
    producer = engine.transactional_producer("upstream")

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: life.running)
            producer.begin_transaction()
            producer.produce(engine.few, b"x", "open", 0)
            producer.flush()
            due_ms = engine.processors[0].due_ms = now_ms() + SHORT_MS
            waited_until = time.monotonic() + (BEHIND_MS + SHORT_MS) / 1_000 + 1.5
            await life.until(lambda: time.monotonic() > waited_until)
            assert engine.processors[0].due_ms == due_ms
            producer.commit_transaction()
            await life.until(lambda: engine.processors[0].due_ms == NEVER_MS)

    live(story())
    assert [each.topic for each in engine.bookings()] == [engine.few, TIMER]


def test_rule_16_a_worker_that_stood_still_books_what_came_meanwhile_before_its_timer(
    engine: EngineScene, kafka: KafkaServer, topic_prefix: str, tmp_path: Path
) -> None:
    """Rule 16: it was at the ends of its inputs as it knew them, and they are asked for after its clock was read."""
    engine.send(1)
    arguments = (kafka.bootstrap_servers, topic_prefix, str(tmp_path))
    with Running("tests.integration.timer_worker", *arguments, log=tmp_path / "log") as worker:
        wait_until(lambda: worker.alive() and "due" in worker.said(), 60, worker.said)
        worker.signal(signal.SIGSTOP)
        told = re.search(r"due (\d+)", worker.said())
        assert told is not None
        due_ms = int(told[1])
        engine.send(10)
        engine.send(10, topic=engine.few)
        assert now_ms() < due_ms
        wait_until(lambda: now_ms() > due_ms + BEHIND_MS + 1_000, 30)
        worker.signal(signal.SIGCONT)
        assert worker.wait() == 0
    topics = [each.topic for each in engine.bookings()]
    assert topics == [*[engine.many] * 11, *[engine.few] * 10, TIMER]

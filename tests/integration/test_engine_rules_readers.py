"""Engine rule 15 on a real broker: what a crash left unfinished is nowhere taken for an output."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from stream.engine.progress import PROGRESS_KEY, encode
from tests.integration.engine_life import live
from tests.integration.engine_scene import WAIT_SECONDS, EngineScene
from tests.integration.tallies import Tally
from tests.servers import KafkaServer


@pytest.fixture
def engine(kafka: KafkaServer, topic_prefix: str, tmp_path: Path) -> Iterator[EngineScene]:
    """The engine on topics of this test's own, with one partition."""
    with EngineScene(kafka, topic_prefix, tmp_path) as scene:
        yield scene


def leave_unfinished(engine: EngineScene, *, row: bool) -> None:
    """Die as the owner of partition 0, in the midst of a checkpoint's row or of its progress."""
    producer = engine.transactional_producer("-0")
    producer.begin_transaction()
    if row:
        producer.produce(engine.changelog, msgspec.json.encode(Tally("ghost", 7, 1)), b"ghost", 0)
    else:
        ahead = msgspec.structs.replace(engine.progress(), checkpoint=99, offsets={engine.many: 1, engine.few: 0})
        producer.produce(engine.config.progress_topic, encode(ahead), PROGRESS_KEY, 0)
    assert producer.flush(WAIT_SECONDS) == 0


@pytest.mark.parametrize("row", [True, False])
def test_rule_15_a_take_over_restores_nothing_that_a_crash_left_unfinished(engine: EngineScene, row: bool) -> None:
    """Rule 15: tables and progress are outputs too, and their reader is the next owner."""

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: engine.all_durable(life))

    engine.send(5)
    live(story())
    leave_unfinished(engine, row=row)
    engine.send(5)
    live(story())
    engine.assert_once()

"""Engine rule 8 on a real broker: the group's membership is aiokafka's, and only that."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import faust
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._group import ConsumerGroupDescription

from schemas.topics import TopicNames
from stream import app as apps
from stream.engine.transport import GroupConsumer, GroupMember
from stream.settings import WorkerSettings
from tests.conftest import CreateTopics
from tests.integration.engine_life import live
from tests.servers import KafkaServer

LONGEST_UNPOLLED_SECONDS = 2.0
WAIT_SECONDS = 40.0


@pytest.fixture(autouse=True)
def soft_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ends must not take the test's process with it."""
    monkeypatch.setattr(apps, "_exit_hard_after", lambda *_: None)


@asynccontextmanager
async def member(kafka: KafkaServer, names: TopicNames, folder: Path) -> AsyncIterator[faust.App]:
    """A worker's app in this process, which leaves the group unless it is polled every 2 s."""
    settings = WorkerSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        topic_prefix=names.prefix,
        http_port=0,
        data_folder=str(folder),
        single_node=True,
        session_timeout_seconds=6,
    )
    app, _ = apps.make_app(settings)
    app.conf.broker_max_poll_interval = LONGEST_UNPOLLED_SECONDS
    await app.start()
    try:
        yield app
    finally:
        await app.stop()


def of_group(app: faust.App) -> GroupMember:
    """The member that aiokafka is."""
    assert isinstance(app.consumer, GroupConsumer)
    return app.consumer._member


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


def described(kafka: KafkaServer, group: str) -> ConsumerGroupDescription:
    """The group as the broker has it."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    found: ConsumerGroupDescription = admin.describe_consumer_groups([group])[group].result(WAIT_SECONDS)
    return found


def test_rule_8_members_stay_in_the_group_with_and_without_partitions(
    kafka: KafkaServer, create_topics: CreateTopics, tmp_path: Path
) -> None:
    """Rule 8: each is polled though it fetches nothing; its partitions are paused; the assignor is the sticky one."""
    names = create_topics(partitions=1)
    group = f"{names.prefix}creditstream"

    def assigned(app: faust.App) -> set[str]:
        return {tp.topic for tp in of_group(app)._ensure_consumer().assignment()}

    async def story() -> None:
        async with AsyncExitStack() as stack:
            both = [await stack.enter_async_context(member(kafka, names, tmp_path / each)) for each in "ab"]
            # They join one after the other: the first one's generation passes when the second comes.
            await until(lambda: of_group(both[0]).generation == of_group(both[1]).generation >= 0)
            await until(lambda: any(map(assigned, both)))
            generations = [of_group(each).generation for each in both]
            await asyncio.sleep(2.5 * LONGEST_UNPOLLED_SECONDS)
            assert [of_group(each).generation for each in both] == generations
            # Of usage alone; the other keyed input is read by hand.
            assert sorted(map(assigned, both), key=len) == [set(), {names.usage_events}]
            for each in both:
                consumer = of_group(each)._ensure_consumer()
                assert consumer.paused() == consumer.assignment()
            assert len(described(kafka, group).members) == 2
            assert described(kafka, group).partition_assignor == "sticky"

    live(story())

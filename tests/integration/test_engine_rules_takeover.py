"""Engine rules on taking over, on a real broker: whose state it is, what is restored, what is refused."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from schemas.topics import topic_specs
from stream.engine import topics as topic_checks
from stream.engine.holding import Phase
from stream.engine.progress import CHECKPOINT_HEADER
from tests.conftest import CreateTopics
from tests.integration.engine_life import Life, live
from tests.integration.engine_scene import WAIT_SECONDS, EngineScene
from tests.integration.tallies import Tally
from tests.servers import KafkaServer
from tests.simulation.observed import read_topic
from tests.topics import change_topic


@pytest.fixture
def engine(kafka: KafkaServer, topic_prefix: str, tmp_path: Path) -> Iterator[EngineScene]:
    """The engine on topics of this test's own, with one partition, of which five records are booked."""
    with EngineScene(kafka, topic_prefix, tmp_path) as scene:
        scene.send(5)
        live(book_all(scene))
        yield scene


async def book_all(engine: EngineScene, **changes: Any) -> None:
    """One life, until everything that was sent is in a checkpoint."""
    async with engine.life(**changes) as life:
        await life.until(lambda: engine.all_durable(life))


async def refusal(engine: EngineScene, **changes: Any) -> str:
    """One life that must be refused; why."""
    async with engine.life(**changes) as life:
        await life.until(lambda: life.holding().phase is Phase.FAILED)
        return life.holding().failure


async def accepted(engine: EngineScene, **changes: Any) -> None:
    """One life that takes its partition over and writes a checkpoint."""
    async with engine.life(**changes) as life:
        await life.until(lambda: life.running and life.partition().durable.checkpoint > 0)


def make_input_again(engine: EngineScene) -> str:
    engine.make_again(engine.many)
    return f"{engine.many} was deleted and made again"


def make_changelog_again(engine: EngineScene) -> str:
    engine.make_again(engine.changelog)
    return f"{engine.changelog} was deleted and made again"


def raise_partitions(engine: EngineScene) -> str:
    engine.raise_partitions(engine.many, 2)
    return f"{engine.many} has 2 partitions and had 1"


def lose_progress(engine: EngineScene) -> str:
    engine.delete_before(engine.config.progress_topic, -1)
    newest = max(row.version for row in engine.tallies().values())
    return f"stands at checkpoint 0, but a table holds checkpoint {newest}"


@pytest.mark.parametrize("change", [make_input_again, make_changelog_again, raise_partitions, lose_progress])
def test_rule_5_state_of_other_topics_is_refused_until_it_is_accepted(
    engine: EngineScene, change: Callable[[EngineScene], str]
) -> None:
    """Rule 5: the error says what changed; accepting it once is enough."""
    problem = change(engine)

    async def story() -> None:
        failure = await refusal(engine)
        assert problem in failure
        assert "--accept-new-state" in failure
        await accepted(engine, accept_new_state=True)
        await accepted(engine)

    live(story())


def test_rule_11_a_value_is_adopted_between_batches_and_its_offset_is_part_of_progress(engine: EngineScene) -> None:
    """Rule 11: without a restart."""

    def reads(life: Life, value: str) -> bool:
        return life.broadcast.value()[1] == value

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: life.running)
            for value in ("first", "second"):
                engine.broadcast_value(value)
                await life.until(partial(reads, life, value))
                engine.send(2)
                await life.until(lambda: engine.all_durable(life))
                assert engine.progress().broadcast_offset == life.broadcast.value()[0]

    live(story())
    assert [each.broadcast for each in engine.bookings()] == [""] * 5 + ["first"] * 2 + ["second"] * 2


def test_rule_11_a_take_over_reads_at_least_as_far_as_progress(engine: EngineScene) -> None:
    """Rule 11: a worker whose reading of the broadcast topic is behind waits, and books nothing with an older value."""

    async def story() -> None:
        behind = engine.life()
        behind.numbers = []
        async with behind:
            await behind.broadcast.caught_up()
            broadcasting = behind.broadcast._consumer.assignment()
            behind.broadcast._consumer.pause(broadcasting)
            engine.broadcast_value("newest")
            engine.send(1)
            await book_all(engine)
            engine.send(1)
            behind.numbers = [0]
            behind.owner.assign(behind.numbers)
            await behind.until(lambda: behind.holding().restored_records > 0)
            for _ in range(20):
                await behind.turn()
            assert behind.holding().phase is Phase.TAKING_OVER
            behind.broadcast._consumer.resume(broadcasting)
            await behind.until(lambda: engine.all_durable(behind))

    live(story())
    assert [each.broadcast for each in engine.bookings()[5:]] == ["newest"] * 2


def test_rule_13_a_stop_leaves_a_cache_that_spares_the_reading(engine: EngineScene) -> None:
    """Rule 13: it is used once, and with or without it the log is whole."""

    async def story() -> None:
        async with engine.life() as life:
            await life.until(lambda: life.running)
            assert engine.processors[0].journal.loaded == 5
            engine.send(4)
            await life.until(lambda: engine.all_durable(life))
            await life.crash()
        async with engine.life() as life:
            await life.until(lambda: life.running)
            assert engine.processors[0].journal.loaded == 0
            assert len(engine.processors[0].journal.keys) == 9

    live(story())


def test_rule_13_a_cache_that_others_went_on_from_is_read_on_from(engine: EngineScene) -> None:
    """Rule 13: a worker that had the partition before finds what was booked elsewhere meanwhile."""

    async def story() -> None:
        engine.send(4)
        await book_all(engine, cache_folder=None)
        async with engine.life() as life:
            await life.until(lambda: life.running)
            journal = engine.processors[0].journal
            assert (journal.loaded, len(journal.keys)) == (5, 9)

    live(story())


def test_rule_3_a_log_cut_beyond_its_cache_is_read_from_its_new_beginning(engine: EngineScene) -> None:
    """Rule 3: retention passed the cache's end while the worker was away."""

    async def story() -> None:
        engine.send(4)
        await book_all(engine, cache_folder=None)
        engine.delete_before(engine.journal, -1)
        engine.send(3)
        async with engine.life() as life:
            await life.until(lambda: engine.all_durable(life))
            journal = engine.processors[0].journal
            assert (journal.loaded, len(journal.keys)) == (0, 3)
            # Twice before, and at the first attempt now.
            assert engine.take_overs == 3

    live(story())


@pytest.mark.parametrize("ahead", ["output", "table"])
def test_rule_14_a_topic_ahead_of_progress_refuses_the_take_over(engine: EngineScene, ahead: str) -> None:
    """Rule 14: progress lost records, and going on would book events again."""
    later = engine.progress().version + 3
    producer = Producer(engine.config.kafka)
    if ahead == "output":
        producer.produce(engine.output, b"{}", partition=0, headers=[(CHECKPOINT_HEADER, str(later).encode())])
        # Records without a number behind it hide nothing.
        for _ in range(200):
            producer.produce(engine.output, b"{}", partition=0)
    else:
        producer.produce(engine.changelog, msgspec.json.encode(Tally("later", 1, later)), b"later", 0)
    assert producer.flush(WAIT_SECONDS) == 0

    async def story() -> None:
        failure = await refusal(engine)
        assert f"holds checkpoint {later}" in failure
        assert "--accept-new-state" in failure

    live(story())


def test_rule_14_every_record_carries_its_checkpoint(engine: EngineScene) -> None:
    """Rule 14: outputs and logs in a header, rows in the value; and each booking its sequence and place (rule 9)."""
    engine.send(5)
    live(book_all(engine))
    numbers: dict[str, list[int]] = {}
    for topic in (engine.output, engine.journal):
        for message in read_topic(engine.servers, topic, 1):
            if not (message.key() or b"").startswith(b"\0"):
                numbers.setdefault(topic, []).append(int(dict(message.headers() or [])[CHECKPOINT_HEADER] or 0))
    bookings = engine.bookings()
    assert numbers[engine.output] == [each.version for each in bookings]
    assert set(numbers[engine.journal]) == set(numbers[engine.output])
    assert {row.version for row in engine.tallies().values()} <= set(numbers[engine.output])
    assert [each.offset for each in bookings] == list(range(10))
    sequences = Counter((each.version, each.sequence) for each in bookings)
    assert set(sequences.values()) == {1}


def test_rule_14_durability_is_checked_and_waived_by_single_node(
    kafka: KafkaServer, create_topics: CreateTopics
) -> None:
    """Rule 14: replicas and in-sync replicas, of the internal topics too; one node can have neither."""
    names = create_topics(partitions=2)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    specs = topic_specs(names, partitions=2, replication=3)
    found = topic_checks.problems(admin, specs, single_node=False)
    assert f"{names.progress} has 1 replicas, fewer than 3 (waived by --single-node)" in found
    assert f"{names.charges} has min.insync.replicas below 2 (waived by --single-node)" in found
    assert any(problem.startswith("__consumer_offsets has 1 replicas") for problem in found)
    assert topic_checks.problems(admin, specs, single_node=True) == []


@pytest.mark.parametrize(
    ("topic", "setting", "value", "problem"),
    [
        ("charges", "max.message.bytes", "1000", "max.message.bytes=1000, less than 2097152"),
        ("usage_events", "message.timestamp.type", "CreateTime", "message.timestamp.type=CreateTime instead of"),
        ("balances_changelog", "cleanup.policy", "delete", "cleanup.policy=delete instead of compact"),
    ],
)
def test_rule_7_topics_that_would_lose_or_refuse_something_are_told_at_start(
    kafka: KafkaServer, create_topics: CreateTopics, topic: str, setting: str, value: str, problem: str
) -> None:
    """Rule 7: each row is a topic, its setting, and what is wrong with it; on a single node too."""
    names = create_topics(partitions=2)
    name = getattr(names, topic)
    change_topic(kafka.bootstrap_servers, name, setting, value)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    specs = topic_specs(names, partitions=2, replication=1)
    (found,) = topic_checks.problems(admin, specs, single_node=True)
    assert found.startswith(f"{name} has {problem}")


def test_rule_14_unclean_leader_election_is_told_at_start(kafka: KafkaServer, create_topics: CreateTopics) -> None:
    """Rule 14: a replica that lags behind would become the truth."""
    names = create_topics(partitions=2)
    change_topic(kafka.bootstrap_servers, names.charges, "unclean.leader.election.enable", "true")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    specs = topic_specs(names, partitions=2, replication=3)
    found = topic_checks.problems(admin, specs, single_node=False)
    assert f"{names.charges} allows unclean leader election (waived by --single-node)" in found


def test_a_row_named_like_a_claim_is_a_row(engine: EngineScene) -> None:
    """Claims in a changelog have a key that no account may have; one that begins like it is an account's."""
    engine.send_keys(["claim", "progress", "claim"])
    live(book_all(engine))
    live(book_all(engine))
    assert engine.tallies()["claim"].count == 2

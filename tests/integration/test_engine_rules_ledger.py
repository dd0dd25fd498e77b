"""Engine rules that show in credits: the worker's own pipeline on real topics, in lives of this process."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.cimpl import NewTopic

from schemas.codec import decode_charges, decode_rollups
from schemas.dead_letter import Reason
from schemas.rollup import Rollup
from stream import app as apps
from stream.app import Worker
from stream.engine.holding import Phase
from stream.engine.murmur2 import partition_for
from stream.engine.topics import WrongTopicsError
from stream.settings import WorkerSettings
from tests.conftest import CreateTopics
from tests.integration.engine_life import Life, live
from tests.servers import KafkaServer
from tests.simulation.observed import read_outputs, read_topic
from tests.topics import delete_topics, make_topics, topic_id
from tests.unit.booking_scene import CARD, HOUR_MS, JsonObject, grant, usage

WAIT_SECONDS = 30.0
PARTITIONS = 2
PARTITION_UA = -1
"""The key decides."""


class Ledger:
    """An installation with a rate card; `life` is one life of its worker's engine, without a group."""

    def __init__(self, kafka: KafkaServer, create_topics: CreateTopics, folder: Path) -> None:
        self.servers = kafka.bootstrap_servers
        self.names = create_topics(partitions=PARTITIONS)
        self.settings = WorkerSettings(
            bootstrap_servers=self.servers,
            topic_prefix=self.names.prefix,
            http_port=0,
            data_folder=str(folder),
            merge_grace_ms=0,
            dedup_window_hours=1,
        )
        self.worker: Worker
        self._sent = dict.fromkeys((self.names.usage_events, self.names.commands), 0)
        self.publish(json.loads(CARD))

    def publish(self, card: JsonObject) -> None:
        """Write a row of a rate card."""
        self._produce(self.names.rate_cards, card["version"].encode(), card, None)

    def use(self, account: str = "acme", at_ms: int = 0, **changes: object) -> None:
        """Send usage of now, changed as `usage` is; `at_ms` is for a topic that keeps its producers' times."""
        time_text = datetime.fromtimestamp((at_ms or time.time() * 1_000) / 1_000, UTC).isoformat()
        body = usage(**{"e_subject": account, "e_time": time_text, **changes})
        self._produce(self.names.usage_events, account.encode(), body, None, at_ms)

    def grant(self, account: str, number: int) -> None:
        """Send a grant of 100 credits."""
        time_text = datetime.now(UTC).isoformat()
        body = grant(e_subject=account, e_id=f"grant-{number}", e_time=time_text, grant=f"g{number}")
        self._produce(self.names.commands, account.encode(), body, None)

    def use_in(self, partition: int, account: str) -> None:
        """Send usage to a partition, whatever the account's own is."""
        body = usage(e_subject=account, e_time=datetime.now(UTC).isoformat())
        self._produce(self.names.usage_events, account.encode(), body, partition)

    @contextlib.asynccontextmanager
    async def life(self, **changes: object) -> AsyncIterator[Life]:
        """One life with settings of its own."""
        _, self.worker = apps.make_app(msgspec.structs.replace(self.settings, **changes))
        with contextlib.closing(self.worker.rollups):
            async with Life(self.worker.owner, self.worker.broadcast, range(PARTITIONS)) as life:
                yield life

    def all_durable(self, life: Life) -> bool:
        """Everything that was sent is in a checkpoint."""
        if not life.running or not all(map(life.durable, life.numbers)):
            return False
        return all(
            sum(life.partition(number).durable.offsets[topic] for number in life.numbers) == count
            for topic, count in self._sent.items()
        )

    async def book_all(self, **changes: object) -> None:
        """One life, until everything that was sent is in a checkpoint."""
        async with self.life(**changes) as life:
            await life.until(lambda: self.all_durable(life))

    def outcomes(self) -> dict[str, int]:
        """What became of the records in the last life."""
        return {str(outcome): count for outcome, count in self.worker.outcomes.items() if count}

    def read(self, topic: str) -> list[Message]:
        """Every committed record of a topic."""
        return read_topic(self.servers, topic, PARTITIONS)

    def _produce(self, topic: str, key: bytes, body: JsonObject, partition: int | None, at_ms: int = 0) -> None:
        producer = Producer(
            {"bootstrap.servers": self.servers, "partitioner": "murmur2_random", "linger.ms": 0, "log_level": 2}
        )
        where = PARTITION_UA if partition is None else partition
        producer.produce(topic, json.dumps(body).encode(), key, where, timestamp=at_ms)
        assert producer.flush(WAIT_SECONDS) == 0
        if topic in self._sent:
            self._sent[topic] += 1


@pytest.fixture
def ledger(kafka: KafkaServer, create_topics: CreateTopics, tmp_path: Path) -> Ledger:
    """An installation of this test's own, with two partitions."""
    return Ledger(kafka, create_topics, tmp_path)


def test_rule_4_usage_is_booked_in_its_accounts_partition_alone(ledger: Ledger) -> None:
    """Rule 4: murmur2 of the producers is ours; in any other partition an unknown account is a dead letter."""
    accounts = [f"account-{number}" for number in range(12)]
    for account in accounts:
        ledger.use(account)
        ledger.use_in(1 - partition_for(account.encode(), PARTITIONS), f"{account}")
    live(ledger.book_all())
    observed = read_outputs(ledger.servers, ledger.names, PARTITIONS)
    assert set(observed.balances) == set(accounts)
    assert {row.events for row in observed.balances.values()} == {1}
    assert list(observed.dead_letters.values()) == [Reason.WRONG_PARTITION.value] * len(accounts)


def make_again(servers: str, name: str) -> None:
    """Delete a topic and create it under its name."""
    before = topic_id(servers, name)
    delete_topics(servers, [name])
    make_topics(servers, [NewTopic(name, PARTITIONS, 1)])
    topic_id(servers, name, other_than=before)


def test_rule_5_topics_that_change_while_the_worker_runs_stop_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 5: before anything is booked against topics that are not what they were."""
    monkeypatch.setattr(apps, "_TOPOLOGY_CHECK_SECONDS", 0.1)

    async def story() -> None:
        async with ledger.life() as life:
            await life.until(lambda: life.running)
            checking = asyncio.ensure_future(Worker._topology_check.fun(ledger.worker))
            await asyncio.to_thread(make_again, ledger.servers, ledger.names.balances_changelog)
            with pytest.raises(WrongTopicsError, match="topics changed while the worker ran"):
                await asyncio.wait_for(checking, WAIT_SECONDS)
            assert {life.holding(number).phase for number in life.numbers} == {Phase.FAILED}

    live(story())


def test_rule_9_a_grant_before_the_first_usage_comes_before_it(ledger: Ledger) -> None:
    """Rule 9: who was first decides about the free credits; charges carry checkpoint, sequence and place."""
    for number in range(6):
        account = f"account-{number}"
        if number % 2:
            ledger.grant(account, number)
            ledger.use(account)
        else:
            ledger.use(account)
            ledger.grant(account, number)
    live(ledger.book_all())
    observed = read_outputs(ledger.servers, ledger.names, PARTITIONS)
    granted = {account: row.granted // 1_000_000 for account, row in observed.balances.items()}
    assert granted == {f"account-{number}": 100 if number % 2 else 600 for number in range(6)}
    batches = [decode_charges(each.value() or b"") for each in ledger.read(ledger.names.charges)]
    places = [
        (batch.partition, batch.version, batch.sequence + place, charge.offset)
        for batch in batches
        for place, charge in enumerate(batch.charges)
    ]
    assert len({place[:3] for place in places}) == len({(each[0], each[3]) for each in places}) == 6


def test_rule_11_a_card_is_withdrawn_by_a_row(ledger: Ledger) -> None:
    """Rule 11: without a restart, and without a tombstone, which compaction would forget."""

    async def story() -> None:
        async with ledger.life() as life:
            ledger.use(e_id="1")
            await life.until(lambda: ledger.all_durable(life))
            ledger.publish({**json.loads(CARD), "version": "v2", "effective_at": "2025-07-01T00:00:00Z"})
            ledger.publish({**json.loads(CARD), "withdrawn": True})
            await life.until(lambda: ledger.worker.broadcast.value()[0] == 3)
            ledger.use(e_id="2")
            await life.until(lambda: ledger.all_durable(life))

    live(story())
    batches = [decode_charges(each.value() or b"") for each in ledger.read(ledger.names.charges)]
    charges = [charge for batch in batches for charge in batch.charges]
    assert [(charge.id, charge.rate_card) for charge in charges] == [("1", "v1"), ("2", "v2")]


def test_rule_12_a_take_over_begins_new_segments_and_restores_no_rollups(ledger: Ledger) -> None:
    """Rule 12: a row is absolute within its segment, and the sum over segments is exact."""
    restored: set[str] = set()

    async def story(first: int) -> None:
        async with ledger.life() as life:
            await life.until(lambda: life.running)
            for pipeline in ledger.worker.pipelines():
                restored.update(table.changelog for table in pipeline.tables)
                restored.update(log.topic for log in pipeline.logs)
            for number in range(first, first + 3):
                ledger.use(e_id=str(number))
                await life.until(lambda: ledger.all_durable(life))

    for first in (0, 3, 6):
        live(story(first))
    rows: dict[int, Rollup] = {}
    for message in ledger.read(ledger.names.rollups):
        for row in decode_rollups(message.value() or b"").rows:
            rows[row.segment] = max(row, rows.get(row.segment, row), key=lambda each: each.version)
    assert [row.events for _, row in sorted(rows.items())] == [3, 3, 3]
    names = ledger.names
    assert names.rollups not in restored
    assert restored == {
        names.balances_changelog,
        names.lots_changelog,
        names.corrections_changelog,
        names.commands_changelog,
        names.dedup_log,
    }


@pytest.mark.parametrize("ended", ["stopped", "crashed"])
def test_rule_13_a_duplicate_is_recognised_after_a_restart(ledger: Ledger, tmp_path: Path, ended: str) -> None:
    """Rule 13: from the local file that a stop leaves, and from the log after a crash."""

    async def first() -> None:
        async with ledger.life() as life:
            await life.until(lambda: ledger.all_durable(life))
            if ended == "crashed":
                await life.crash()

    at_ms = int(time.time() * 1_000)
    for number in range(5):
        ledger.use(at_ms=at_ms, e_id=str(number))
    live(first())
    assert bool(list(tmp_path.rglob("*.log-cache"))) is (ended == "stopped")
    for number in range(7):
        ledger.use(at_ms=at_ms, e_id=str(number))
    live(ledger.book_all())
    assert ledger.outcomes() == {"duplicate": 5, "booked": 2}


def test_rule_13_an_id_is_remembered_only_with_its_charge(ledger: Ledger) -> None:
    """Rule 13: what a crash took from memory before its checkpoint is booked by the next life."""

    async def first() -> None:
        async with ledger.life() as life:
            await life.until(lambda: life.running)
            ledger.use(e_id="1")
            await life.until(lambda: ledger.outcomes() == {"booked": 1}, tick=False)
            await life.crash()

    live(first())
    live(ledger.book_all())
    assert ledger.outcomes() == {"booked": 1}
    assert read_outputs(ledger.servers, ledger.names, PARTITIONS).balances["acme"].events == 1


def test_rule_13_ids_expire_by_the_time_of_the_input(ledger: Ledger) -> None:
    """Rule 13: a window of an hour passes within a second of ours, and a restart remembers what it should."""
    # Without the setting that replaces the times of its producers.
    make_again(ledger.servers, ledger.names.usage_events)
    noon_ms = int(time.time() * 1_000) - 6 * HOUR_MS

    async def book(minutes: int, **changes: str) -> dict[str, int]:
        ledger.use(at_ms=noon_ms + minutes * 60_000, **changes)
        await ledger.book_all()
        return ledger.outcomes()

    async def story() -> None:
        assert await book(0, e_id="1") == {"booked": 1}
        assert await book(59, e_id="1", node="search") == {Reason.EVENT_ID_REUSED.value: 1}
        assert await book(62, e_id="1", node="search") == {"booked": 1}

    live(story())


def test_rule_13_a_window_that_takes_more_memory_than_it_may_is_refused(ledger: Ledger) -> None:
    """Rule 13: at the take-over, naming the setting."""
    ledger.use()
    live(ledger.book_all())

    async def story() -> None:
        number = partition_for(b"acme", PARTITIONS)
        async with ledger.life(dedup_memory_mb=0) as life:
            await life.until(lambda: life.holding(number).phase is Phase.FAILED)
            assert "CREDITSTREAM_DEDUP_MEMORY_MB" in life.holding(number).failure

    live(story())

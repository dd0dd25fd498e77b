"""Dead letters are fed back once: whatever is run again, and wherever it is killed."""

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from msgspec import structs

from producers.rate_card_topic import read_published, write_rows
from schemas.codec import decode_dead_letter
from schemas.dead_letter import DeadLetter
from schemas.identifiers import Node, RateCardVersion
from tests.conftest import CreateTopics
from tests.integration.commands import ended
from tests.integration.reconcile_scene import opened
from tests.integration.system import CATCH_UP_SECONDS, PARTITIONS, System, clickhouse_settings, running_system
from tests.processes import wait_until
from tests.servers import ClickHouseServer, KafkaServer
from tests.simulation.observed import read_topic

UNPRICED = 1_200
"""More than two transactions of a replay hold."""


@pytest.fixture
def system(kafka: KafkaServer, create_topics: CreateTopics, tmp_path: Path) -> Iterator[System]:
    """An installation of this test's own."""
    with running_system(kafka, create_topics(partitions=PARTITIONS), tmp_path) as system:
        yield system


def event(number: int, **changes: Any) -> dict[str, Any]:
    """A usage event of a node that nobody has priced."""
    data = {"agent": "a", "conversation": "c", "channel": "api", "node": "teleport", **changes.pop("data", {})}
    return {
        "specversion": "1.0",
        "type": "creditstream.usage",
        "id": f"event-{number}",
        "source": "test",
        "subject": f"account-{number % 50}",
        "time": datetime.now(UTC).isoformat(),
        "data": data,
        **changes,
    }


def send(system: System, events: list[dict[str, Any]]) -> None:
    """Each with its account as the key."""
    producer = Producer({"bootstrap.servers": system.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    for each in events:
        producer.produce(system.topics.usage_events, json.dumps(each), each["subject"])
    assert producer.flush(30) == 0


def price_the_node(system: System) -> None:
    """As if it had been priced before: a rate card that is effective earlier has the node too."""
    servers, topic = system.kafka.bootstrap_servers, system.topics.rate_cards
    (card,) = read_published(servers, topic)
    priced = {**card.prices, Node("teleport"): card.prices[Node("message")]}
    later = card.effective_at + timedelta(seconds=1)
    version, published_at = RateCardVersion("with-teleport"), datetime.now(UTC)
    row = structs.replace(card, version=version, effective_at=later, prices=priced, published_at=published_at)
    write_rows(servers, topic, [row])


def letters(system: System) -> list[DeadLetter]:
    """All of them."""
    records = read_topic(system.kafka.bootstrap_servers, system.topics.dead_letters, PARTITIONS)
    return [decode_dead_letter(record.value() or b"") for record in records]


def replay(system: System, *arguments: str, **settings: object) -> tuple[int, str]:
    """Exit code, and all that was said."""
    return run(system, "stream", "replay", *arguments, **settings)


def run(system: System, module: str, *arguments: str, **settings: object) -> tuple[int, str]:
    """Exit code, and all that was said, of a command."""
    done = ended({**system.settings, **settings}, module, *arguments)
    return done.returncode, done.stdout + done.stderr


def test_a_replay_that_is_killed_and_run_again_feeds_every_dead_letter_once(system: System) -> None:
    """Killed before a commit, killed after one, run to its end, and run once more."""
    worker = system.worker()
    send(system, [event(number) for number in range(UNPRICED)])
    system.wait_booked()
    assert len(letters(system)) == UNPRICED
    code, told = replay(system, "--reason", "unknown_node")
    assert (code, f"left out {UNPRICED}" in told, f"{UNPRICED} still unknown_node" in told) == (0, True, True)
    price_the_node(system)
    assert f"would replay {UNPRICED}: unknown_node" in replay(system, "--reason", "unknown_node", "--dry-run")[1]
    for point in ("replay.produced:2", "replay.committed:1"):
        assert replay(system, "--reason", "unknown_node", crash_point=point)[0] == -signal.SIGKILL
    code, told = replay(system, "--all")
    assert code == 0
    assert "1000 replayed before" in told
    assert f"replayed {UNPRICED - 1_000}: unknown_node" in told
    assert "replayed 0" in replay(system, "--all")[1]
    wait_until(lambda: len(system.outputs().charges) == UNPRICED, CATCH_UP_SECONDS)
    fed = [
        dict(record.headers() or [])["replayed-from"]
        for record in read_topic(system.kafka.bootstrap_servers, system.topics.usage_events, PARTITIONS)
        if record.headers()
    ]
    assert len(fed) == len(set(fed)) == UNPRICED
    assert system.outputs().doubled == []
    assert worker.metric("creditstream_events_total", outcome="duplicate") == 0


def test_repaired_letters_are_fed_back_and_those_charged_before_are_not(
    system: System, clickhouse: ClickHouseServer, database: str, tmp_path: Path
) -> None:
    """An event with a new time is sent only once ClickHouse was asked whether its identity was charged."""
    system.worker()
    system.sink(clickhouse, database)
    old = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    node = {"node": "message"}
    send(system, [event(0, data=node)])
    send(
        system,
        [
            event(0, data=node, time=old),
            event(1, data=node, time=old),
            event(2, data={"node": "message", "quantity": -1}),
        ],
    )
    system.wait_booked()
    records = read_topic(system.kafka.bootstrap_servers, system.topics.dead_letters, PARTITIONS)
    places = {json.loads(decode_dead_letter(each.value() or b"").value)["id"]: each for each in records}
    repairs = tmp_path / "repairs.jsonl"
    repaired = {f"event-{number}": event(number, data=node) for number in range(3)}
    repaired["event-2"]["time"] = json.loads(decode_dead_letter(places["event-2"].value() or b"").value)["time"]
    repairs.write_text(
        "".join(
            json.dumps({"partition": each.partition(), "offset": each.offset(), "event": repaired[name]}) + "\n"
            for name, each in places.items()
        )
    )
    identities, charged = tmp_path / "ids.jsonl", tmp_path / "charged.jsonl"
    code, told = replay(system, "--repairs", str(repairs), "--identities", str(identities), "--dry-run")
    assert code == 0, told
    assert "2 must be looked up" in told
    assert "would replay 1: invalid_quantity 1" in told
    to_clickhouse = clickhouse_settings(clickhouse, database)
    with opened(clickhouse, database) as client:
        wait_until(lambda: client.command("SELECT count() FROM charges") == 1, 60)
    code, told = run(system, "sinks", "charged", str(identities), "--output", str(charged), **to_clickhouse)
    assert code == 0, told
    assert {line["id"]: line["charged"] for line in map(json.loads, charged.read_text().splitlines())} == {
        "event-0": True,
        "event-1": False,
    }
    code, told = replay(system, "--repairs", str(repairs), "--charged", str(charged))
    assert code == 0, told
    assert "replayed 2" in told
    assert "1 charged before" in told
    wait_until(lambda: len(system.outputs().charges) == 3, CATCH_UP_SECONDS)
    assert sorted(identity.id for identity in system.outputs().charges) == ["event-0", "event-1", "event-2"]

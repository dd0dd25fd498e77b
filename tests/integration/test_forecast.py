"""`python -m stream forecast` on a real Kafka, with rows and charges as the worker writes them."""

import json
import time
from datetime import datetime

import pytest
from confluent_kafka import Producer

from schemas.codec import encode_packed
from schemas.credits import MICROCREDITS_PER_CREDIT as CREDIT
from schemas.partitioning import partition_of
from schemas.topics import TopicNames
from stream.rules.ledger.drained import lot_key
from tests.conftest import CreateTopics
from tests.integration.commands import ended
from tests.servers import KafkaServer
from tests.unit.booking_scene import DAY_MS, HOUR_MS
from tests.unit.ledger_facts import ACME
from tests.unit.ledger_records import balance_row, charge_batch
from tests.unit.ledger_story import Story
from tests.unit.test_simulate import charge

PARTITIONS = 4
PARTITION = partition_of(ACME.encode(), PARTITIONS)


def write(producer: Producer, names: TopicNames, now_ms: int) -> None:
    """An account with 48 credits, of which it used one in each hour of the last two days, and rows before those."""
    for story in ("grant T 100", "grant T 48"):
        book = Story(story).ledger.book(ACME)
        assert book is not None
        book.row.opened_at_ms = now_ms - 2 * DAY_MS
        producer.produce(names.balances_changelog, encode_packed(balance_row(book.row)), ACME, partition=PARTITION)
        for lot in book.lots():
            producer.produce(names.lots_changelog, encode_packed(lot), lot_key(ACME, lot.id), partition=PARTITION)
    producer.produce(names.balances_changelog, b"?", b"\0claim", partition=PARTITION)
    # Half an hour off the hours' ends, so that the moments of writing and reading see the same hours.
    occurred_ms = [now_ms - HOUR_MS // 2 - hour * HOUR_MS for hour in range(48)]
    charges = [charge(cost_microcredits=CREDIT, occurred_at_us=at_ms * 1_000) for at_ms in occurred_ms]
    batch = encode_packed(charge_batch(charges, 1, PARTITION))
    producer.produce(names.charges, batch, partition=PARTITION)
    assert producer.flush(30) == 0


@pytest.fixture
def settings(kafka: KafkaServer, create_topics: CreateTopics) -> dict[str, object]:
    """Where the account is."""
    names = create_topics(partitions=PARTITIONS)
    write(Producer({"bootstrap.servers": kafka.bootstrap_servers}), names, time.time_ns() // 1_000_000)
    return {"bootstrap_servers": kafka.bootstrap_servers, "topic_prefix": names.prefix}


def test_an_account_runs_out_when_its_use_says(settings: dict[str, object]) -> None:
    """48 credits at one an hour are two days, whenever this runs."""
    before = time.time()
    done = ended(settings, "stream", "forecast", "--account", ACME, "--json")
    assert done.returncode == 0, done.stderr
    (told,) = map(json.loads, done.stdout.splitlines())
    assert (told["state"], told["remaining_credits"], told["used_last_day_credits"], told["days"]) == (
        "known",
        "48",
        "24",
        2,
    )
    times = [datetime.fromisoformat(told[name]).timestamp() for name in ("runs_out_at", "earliest", "latest")]
    for at in times:
        assert -60 <= at - before - 2 * 86_400 <= time.time() - before
    done = ended(settings, "stream", "forecast")
    assert (done.returncode, [line.split()[0] for line in done.stdout.splitlines()]) == (0, ["account", ACME])
    done = ended(settings, "stream", "forecast", "--account", "nobody", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'nobody' has no row" in done.stderr

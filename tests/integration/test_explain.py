"""`python -m stream explain` on a real Kafka, with entries as the worker writes them."""

import json

import pytest
from confluent_kafka import Producer

from schemas.partitioning import partition_of
from schemas.topics import TopicNames
from tests.conftest import CreateTopics
from tests.integration.commands import ended
from tests.servers import KafkaServer
from tests.unit.ledger_facts import ACME
from tests.unit.ledger_records import Record, story_records
from tests.unit.ledger_story import Story

PARTITIONS = 4
PARTITION = partition_of(ACME.encode(), PARTITIONS)
STORY = "grant T 100 top_up; charge 30; charge 80; refund e2 20"


@pytest.fixture
def topics(kafka: KafkaServer, create_topics: CreateTopics) -> TopicNames:
    """Topics that hold a story in a transaction that was committed, and before it one that was aborted."""
    names = create_topics(partitions=PARTITIONS)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": f"{names.prefix}story"})
    producer.init_transactions(30)
    write(producer, story_records(Story("grant T 7").entries, names, PARTITION))
    producer.abort_transaction(30)
    write(producer, story_records(Story(STORY).entries, names, PARTITION))
    producer.commit_transaction(30)
    return names


def write(producer: Producer, records: list[Record]) -> None:
    """Everything into a transaction that stays open."""
    producer.begin_transaction()
    for topic, value in records:
        producer.produce(topic, value, partition=PARTITION)
    assert producer.flush(30) == 0


def test_an_account_is_explained_from_what_was_committed(kafka: KafkaServer, topics: TopicNames) -> None:
    """For people, for programs, for one event, and for an account that is not there."""
    settings = {"bootstrap_servers": kafka.bootstrap_servers, "topic_prefix": topics.prefix}
    done = ended(settings, "stream", "explain", "--account", ACME)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split(",")[0].split()[2] for line in lines if line.startswith("#")] == [
        "granted",
        "burned",
        "burned",
        "owed",
        "refunded",
        "refunded",
    ]
    assert lines[-2:] == [
        "acme: 6 shown of #1 to #6; balance after #6: 10 credits",
        "the chain holds from the account's first entry",
    ]
    asked = ("--account", ACME, "--event", "/runtime", "e2")
    done = ended(settings, "stream", "explain", *asked, "--json")
    *entries, summary = map(json.loads, done.stdout.splitlines())
    assert [each["sequence"] for each in entries] == [3, 4, 5, 6]
    assert entries[0]["charge"]["quantity"] == "80"
    assert summary["summary"]["event"] == {
        "partition": PARTITION,
        "offset": 2,
        "charged_credits": "80",
        "costs_credits": "60",
        "voided": True,
    }
    done = ended(settings, "stream", "explain", "--account", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'nobody' has no entries" in done.stderr

"""What the producers send reaches a real Kafka: whole, once, in the right partition, through forks and exits."""

import asyncio
import os
import shlex
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from producers import AsyncUsageReporter, DeliveryError, UsageReporter
from producers.__main__ import main
from producers.cli_command import KINDS
from producers.rate_card_topic import read_published
from schemas.codec import decode_command, decode_usage_event
from schemas.partitioning import partition_of
from schemas.topics import TopicNames
from tests.conftest import CreateTopics
from tests.processes import ROOT
from tests.servers import KafkaServer

PARTITIONS = 4
RATE_CARD = Path(__file__).parents[2] / "deploy" / "rate-cards" / "2026-01.toml"
USAGE = {"agent": "support", "conversation": "c-17", "channel": "widget", "node": "message"}
SECONDS_TO_READ = 30.0


class Place:
    """A broker with topics of this test's own."""

    def __init__(self, kafka: KafkaServer, topics: TopicNames) -> None:
        self.bootstrap_servers = kafka.bootstrap_servers
        self.topics = topics

    def reporter(self, **options: object) -> UsageReporter:
        return UsageReporter(
            bootstrap_servers=self.bootstrap_servers,
            topic=self.topics.usage_events,
            source="test",
            **options,  # type: ignore[arg-type]
        )

    def run(self, *arguments: str) -> int:
        at = ["--bootstrap-servers", self.bootstrap_servers, "--topic-prefix", self.topics.prefix]
        return main([*at, *arguments])

    def run_script(self, script: str) -> None:
        """Runs a script in a process of its own; `connection` holds a reporter's arguments there."""
        connection = {
            "bootstrap_servers": self.bootstrap_servers,
            "topic": self.topics.usage_events,
            "source": "test",
        }
        head = f"from producers import UsageReporter\nconnection = {connection!r}\nusage = {USAGE!r}\n"
        subprocess.run([sys.executable, "-c", head + textwrap.dedent(script)], check=True, timeout=60)

    def records(self, topic: str) -> list[Message]:
        """Everything in the topic, to its end now."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": "none",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        count = len(consumer.list_topics(topic, timeout=SECONDS_TO_READ).topics[topic].partitions)
        partitions = [TopicPartition(topic, partition) for partition in range(count)]
        total = sum(consumer.get_watermark_offsets(each, timeout=SECONDS_TO_READ)[1] for each in partitions)
        consumer.assign([TopicPartition(topic, each.partition, OFFSET_BEGINNING) for each in partitions])
        read: list[Message] = []
        until = time.monotonic() + SECONDS_TO_READ
        while len(read) < total and time.monotonic() < until:
            read.extend(consumer.consume(total - len(read), 0.2))
        consumer.close()
        assert len(read) == total
        assert all(message.error() is None for message in read)
        return read


@pytest.fixture
def place(kafka: KafkaServer, create_topics: CreateTopics) -> Place:
    """Where this test sends to."""
    return Place(kafka, create_topics(partitions=PARTITIONS))


def _ids(records: list[Message]) -> Counter[str]:
    return Counter(decode_usage_event(record.value() or b"").id for record in records)


def test_reports_arrive_once_in_the_partition_of_their_account(place: Place) -> None:
    """With the header that CloudEvents asks for; each account is in Java's partition for it."""
    with place.reporter() as reporter:
        ids = {reporter.report(account=f"account-{number}", **USAGE) for number in range(500)}  # type: ignore[arg-type]
        assert reporter.flush() == 0
    records = place.records(place.topics.usage_events)
    assert _ids(records) == Counter(ids)
    for record in records:
        key = record.key() or b""
        assert decode_usage_event(record.value() or b"").subject.encode() == key
        assert record.partition() == partition_of(key, PARTITIONS)
        assert record.headers() == [("content-type", b"application/cloudevents+json")]


def test_a_fork_sends_nothing_twice_and_loses_nothing(place: Place) -> None:
    """The parent's queue is the parent's; parent and child go on, each with ids of its own."""
    place.run_script(
        """
        import os, sys
        reporter = UsageReporter(**connection, kafka_config={"linger.ms": 500})
        for number in range(200):
            reporter.report(account="before", **usage)
        child = os.fork()
        account = "parent" if child else "child"
        for number in range(300):
            reporter.report(account=account, **usage)
        if child == 0:
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        reporter.close()
        """
    )
    records = place.records(place.topics.usage_events)
    assert Counter(record.key() for record in records) == {b"before": 200, b"parent": 300, b"child": 300}
    assert set(_ids(records).values()) == {1}


def test_a_process_that_forgets_to_close_loses_nothing(place: Place) -> None:
    """What is queued when the interpreter ends is flushed."""
    place.run_script(
        """
        reporter = UsageReporter(**connection, kafka_config={"linger.ms": 500})
        for number in range(1_000):
            reporter.report(account="forgetful", **usage)
        """
    )
    assert len(place.records(place.topics.usage_events)) == 1_000


def test_what_kafka_refuses_reaches_on_error(place: Place) -> None:
    """A topic that is not there: the event comes back, with Kafka's reason."""
    failures: list[DeliveryError] = []
    with UsageReporter(
        bootstrap_servers=place.bootstrap_servers,
        topic=f"{place.topics.prefix}absent",
        source="test",
        on_error=failures.append,
        kafka_config={"topic.metadata.propagation.max.ms": 100},
    ) as reporter:
        event_id = reporter.report(account="a", **USAGE)  # type: ignore[arg-type]
        assert reporter.flush(20) == 0
    assert [failure.event.id for failure in failures] == [event_id]
    assert "Unknown topic" in failures[0].reason


def test_the_asyncio_face_delivers(place: Place) -> None:
    """A thousand reports from ten tasks, through a queue of a hundred."""

    async def report_some(reporter: AsyncUsageReporter, account: str) -> None:
        for _ in range(100):
            await reporter.report(account=account, **USAGE)  # type: ignore[arg-type]

    async def report_all() -> None:
        async with AsyncUsageReporter(
            bootstrap_servers=place.bootstrap_servers,
            topic=place.topics.usage_events,
            source="test",
            max_queued=100,
        ) as reporter:
            await asyncio.gather(*(report_some(reporter, f"account-{number}") for number in range(10)))
            assert await reporter.flush() == 0

    asyncio.run(report_all())
    ids = _ids(place.records(place.topics.usage_events))
    assert (len(ids), set(ids.values())) == (1_000, {1})


def test_a_trace_is_replayed_whole(place: Place) -> None:
    """A hundred requests, three events each; the same run again sends the same bytes."""
    options = ["trace", "--spread", "7d", "--limit", "100", "--run", "r", "--until", "2026-07-01T00:00:00Z", "--quiet"]
    assert place.run(*options) == 0
    assert place.run(*options) == 0
    records = place.records(place.topics.usage_events)
    assert set(Counter(record.value() for record in records).values()) == {2}
    events = [decode_usage_event(record.value() or b"") for record in records]
    assert Counter(event.data.node for event in events) == {
        "llm_prompt": 200,
        "llm_completion": 200,
        "message": 200,
    }


def test_a_workload_is_sent_whole(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """As many records as asked for, malformed ones included; one of them in a wrong partition."""
    options = ["workload", "--flat-out", "--events", "3000", "--malformed", "0.1", "--run", "w"]
    assert place.run(*options) == 0
    assert "3,000 of 3,000 records sent" in capsys.readouterr().err
    records = place.records(place.topics.usage_events)
    assert len(records) == 3_000
    keyed = [(record.key() or b"", record.partition()) for record in records if record.key()]
    astray = [key for key, partition in keyed if partition != partition_of(key, PARTITIONS)]
    assert 5 <= len(astray) <= 15
    assert max(len(record.value() or b"") for record in records) > 2_000_000


def test_a_command_is_delivered_and_its_id_printed(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The broker stamps it with the time at which it was appended."""
    assert place.run("command", "grant", "--account", "acme", "--credits", "100") == 0
    (record,) = place.records(place.topics.commands)
    assert decode_command(record.value() or b"").id == capsys.readouterr().out.strip()
    assert (record.key(), record.partition()) == (b"acme", partition_of(b"acme", PARTITIONS))


def test_commands_of_every_kind_are_delivered_in_order(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the help's examples, to the account's partition; its id is the one that was given."""
    monkeypatch.chdir(ROOT)
    for number, (kind, asked) in enumerate(KINDS.items()):
        options = ["--account", "acme", *shlex.split(asked.example), "--id", f"c-{number}"]
        assert place.run("command", kind, *options) == 0
    records = place.records(place.topics.commands)
    commands = [decode_command(record.value() or b"") for record in records]
    sent = [(command.id, command.data.__struct_config__.tag) for command in commands]
    assert sent == [(f"c-{number}", kind.replace("-", "_")) for number, kind in enumerate(KINDS)]
    assert {record.partition() for record in records} == {partition_of(b"acme", PARTITIONS)}


def test_a_topic_that_is_not_there_is_told(
    kafka: KafkaServer, topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 1, and how to make it."""
    place = Place(kafka, TopicNames(prefix=topic_prefix))
    assert place.run("workload", "--flat-out", "--events", "1") == 1
    assert place.run("rate-card", "publish", str(RATE_CARD)) == 1
    assert capsys.readouterr().err.count("python -m stream create-topics") == 2


def test_a_rate_card_is_published_once_and_withdrawn(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Publishing again writes nothing; withdrawing leaves its content, and its version used up."""
    for _ in range(2):
        assert place.run("rate-card", "publish", str(RATE_CARD)) == 0
    (card,) = read_published(place.bootstrap_servers, place.topics.rate_cards)
    assert (card.line, card.version, card.withdrawn, card.reprice) == ("default", "2026-01", False, False)
    assert card.published_at is not None
    assert [record.key() for record in place.records(place.topics.rate_cards)] == [b"default/2026-01"]
    assert place.run("rate-card", "withdraw", "default", "2026-01") == 0
    (withdrawn,) = read_published(place.bootstrap_servers, place.topics.rate_cards)
    assert withdrawn.withdrawn
    assert withdrawn.prices == card.prices
    assert place.run("rate-card", "publish", str(RATE_CARD)) == 1
    assert "was withdrawn: publish it under a new version" in capsys.readouterr().err


def test_a_later_card_needs_notice_or_reprice(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line has a card: one for the past is refused, and marked when it is accepted."""
    assert place.run("rate-card", "publish", str(RATE_CARD)) == 0
    later = tmp_path / "later.toml"
    later.write_text(RATE_CARD.read_text().replace('"2026-01"', '"2026-02"').replace("2026-01-01T", "2026-02-01T"))
    assert place.run("rate-card", "publish", str(later)) == 1
    assert "pass --reprice" in capsys.readouterr().err
    assert place.run("rate-card", "publish", "--reprice", str(later)) == 0
    cards = read_published(place.bootstrap_servers, place.topics.rate_cards)
    assert {card.version: card.reprice for card in cards} == {"2026-01": False, "2026-02": True}


def test_ctrl_c_ends_a_workload_cleanly(place: Place) -> None:
    """Code 130, one word on stderr, no traceback."""
    environment = {
        **os.environ,
        "CREDITSTREAM_BOOTSTRAP_SERVERS": place.bootstrap_servers,
        "CREDITSTREAM_TOPIC_PREFIX": place.topics.prefix,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "producers", "workload", "--rate", "200"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        # The first line of progress says that it is at work.
        first = process.stderr.readline()
        process.send_signal(2)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "records sent" in first
    assert rest.splitlines()[-1] == "interrupted"
    assert "Traceback" not in rest

"""What ClickHouse and the worker's table hold is what the inputs demand, and every row that is not is found."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from producers.workload_settings import WorkloadSettings
from schemas.account import BalanceRow
from schemas.codec import encode_packed
from schemas.settings import load_settings
from schemas.topics import TopicNames
from sinks.__main__ import main
from sinks.reconciled import LastRun, ReconciledWatch
from sinks.settings import ClickHouseSettings
from tests.conftest import CreateTopics
from tests.integration.reconcile_scene import Reconciled, opened
from tests.integration.system import PARTITIONS, running_system
from tests.processes import wait_until
from tests.servers import ClickHouseServer, KafkaServer
from tests.simulation.observed import read_topic
from tests.topics import delete_topics, make_topics, new_topics

EVENTS = 6_000


def load(events: int) -> WorkloadSettings:
    """A workload of now, with duplicates, late events and malformed ones of every kind."""
    return WorkloadSettings(
        accounts=200, events=events, malformed=0.01, started_at=datetime.now(UTC), partitions=PARTITIONS
    )


@pytest.fixture(scope="module")
def booked(
    kafka: KafkaServer, clickhouse: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reconciled]:
    """Everything is booked and written; worker and sink are gone, and nothing moves any more."""
    database = f"reconciled_{os.getpid()}"
    topics = TopicNames(prefix=f"{database}.")
    made = new_topics(topics, PARTITIONS)
    make_topics(kafka.bootstrap_servers, made)
    with running_system(kafka, topics, tmp_path_factory.mktemp("reconcile")) as system:
        worker, sink = system.worker(), system.sink(clickhouse, database)
        # Two loads: Kafka may give all records that wait together the same time.
        system.send(load(EVENTS))
        system.send(msgspec.structs.replace(load(EVENTS // 10), run="later"))
        system.wait_booked()
        assert worker.stop() == 0
        with opened(clickhouse, database) as client:
            scene = Reconciled(system, clickhouse, database, client)
            assert scene.run("--quiet", "--no-record")[0] == 0
            assert sink.stop() == 0
            yield scene
            client.command(f"DROP DATABASE {database} SYNC")
    delete_topics(kafka.bootstrap_servers, [topic.topic for topic in made])


def test_what_was_booked_has_no_drift(booked: Reconciled) -> None:
    """As much was compared of each kind as the oracle counts, and the report is in ClickHouse for the sink."""
    expected = booked.system.expected()
    assert booked.run("--quiet")[0] == 0
    report = booked.reconcile()
    assert report["first"] == []
    compared = {
        name: sum(each[name] for each in report["partitions"])
        for name in ("charges", "duplicates", "dead_letters", "rollups", "balances")
    }
    assert compared == {
        "charges": len(expected.charges),
        "duplicates": expected.dropped_events + expected.dropped_commands,
        "dead_letters": len(expected.dead_letters),
        "rollups": len(expected.rollups),
        "balances": len(expected.balances),
    }
    assert {each["balances_by"] for each in report["partitions"]} == {"inputs"}
    (runs,) = told_to_metrics(booked)
    assert {partition: run.until_ms for partition, run in runs.items()} == {
        each["partition"]: each["until_ms"] for each in report["partitions"]
    }
    assert all(set(run.drift.values()) == {0} for run in runs.values())


def told_to_metrics(booked: Reconciled) -> list[dict[int, LastRun]]:
    """What a sink's watch tells, the first time."""
    told: list[dict[int, LastRun]] = []
    settings = {name: str(value) for name, value in booked.settings.items() if name.startswith("clickhouse_")}
    with ReconciledWatch(load_settings(ClickHouseSettings, {}, **settings), told.append):
        wait_until(lambda: bool(told), 60)
    return told


class Row(NamedTuple):
    """A charge in ClickHouse."""

    partition: int
    offset: int
    account: str
    id: str
    ingested_ms: int

    @property
    def where(self) -> str:
        return f"partition = {self.partition} AND offset = {self.offset}"


def rows_to_spoil(booked: Reconciled, count: int) -> list[Row]:
    """Charges of as many accounts, none of them the first to be booked."""
    query = """
    SELECT partition, max(offset), account, argMax(id, offset), toUnixTimestamp64Milli(argMax(ingested_at, offset))
    FROM charges FINAL WHERE credits > 0 AND offset > 100 GROUP BY partition, account ORDER BY account LIMIT """
    return [Row(*row) for row in booked.client.query(f"{query}{count}").result_rows]


def earliest_and_latest(booked: Reconciled) -> list[Row]:
    """The charge that Kafka took first and the one that it took last, of two accounts."""
    charge = """
    SELECT partition, offset, account, id, toUnixTimestamp64Milli(ingested_at)
    FROM charges FINAL WHERE credits > 0 AND offset > 100 AND account != '{}' ORDER BY ingested_at {} LIMIT 1"""
    first = Row(*booked.one(charge.format("", "ASC")))
    return [first, Row(*booked.one(charge.format(first.account, "DESC")))]


def copied(table: str, change: str, where: str) -> str:
    """A statement that writes a row once more, with a change."""
    return f"INSERT INTO {table} SELECT * REPLACE ({change}) FROM {table} FINAL WHERE {where}"  # noqa: S608 - our own


def test_every_row_that_was_altered_is_found_and_no_other(booked: Reconciled) -> None:
    """Rows of ClickHouse that are gone, changed, or too many, each with its place."""
    gone, dearer, moved, doubled, poorer, lost, later = rows_to_spoil(booked, 7)
    letter = booked.one("SELECT partition, offset FROM dead_letters WHERE reason = 'unknown_node' LIMIT 1")
    late = booked.one("SELECT partition, offset FROM dead_letters WHERE reason = 'older_than_dedup_window' LIMIT 1")
    rollup = "SELECT account, hour, channel, agent, node FROM rollups WHERE credits > 0 ORDER BY account {} LIMIT 1"
    summed, unsummed = booked.one(rollup.format("ASC")), booked.one(rollup.format("DESC"))
    spoilt = "', '".join(row.account for row in rows_to_spoil(booked, 7))
    given = "kind = 'granted' AND cause = 'command'"
    unlike, grant = booked.one(f"SELECT account, lot FROM ledger WHERE {given} AND account NOT IN ('{spoilt}') LIMIT 1")  # noqa: S608
    hourly = "(account, hour, channel, agent, node) = ('{}', '{:%Y-%m-%d %H:%M:%S}', '{}', '{}', '{}')"
    with (
        booked.spoilt(
            "charges",
            f"ALTER TABLE charges DELETE WHERE {gone.where}",
            f"ALTER TABLE charges UPDATE credits = credits + toDecimal64('0.000001', 6) WHERE {dearer.where}",
            f"ALTER TABLE charges UPDATE agent = 'other' WHERE {moved.where}",
            copied("charges", "'again' AS id", doubled.where),
        ),
        booked.spoilt(
            "dead_letters",
            f"ALTER TABLE dead_letters DELETE WHERE (partition, offset) = {letter}",
            copied("dead_letters", "'not_json' AS reason", f"(partition, offset) = {late}"),
        ),
        booked.spoilt(
            "rollups",
            f"ALTER TABLE rollups UPDATE quantity = quantity + 1 WHERE {hourly.format(*summed)}",
            f"ALTER TABLE rollups DELETE WHERE {hourly.format(*unsummed)}",
        ),
        booked.spoilt(
            "balances",
            f"ALTER TABLE balances UPDATE charged_credits = charged_credits - 1 WHERE account = '{poorer.account}'",
            f"ALTER TABLE balances DELETE WHERE account = '{lost.account}'",
            copied("balances", "version + 1 AS version", f"account = '{later.account}'"),
        ),
        booked.spoilt(
            "ledger", f"ALTER TABLE ledger DELETE WHERE account = '{unlike}' AND lot = '{grant}' AND {given}"
        ),
    ):
        report = booked.reconcile()
    found = sorted((each["kind"], each["account"], each["what"].partition(":")[0]) for each in report["first"])
    letters = [(each["offset"], each["what"]) for each in report["first"] if each["kind"] == "dead_letters"]
    assert sorted(each for each in found if each[0] != "dead_letters") == sorted(
        [
            ("charges", gone.account, "missing"),
            ("charges", dearer.account, "differs"),
            ("charges", moved.account, "differs"),
            ("charges", doubled.account, "unexpected"),
            ("rollups", summed[0], "differs"),
            ("rollups", unsummed[0], "missing"),
            ("balances", poorer.account, "differs"),
            ("balances", lost.account, "missing"),
            ("balances", later.account, "of no checkpoint"),
            ("ledger", gone.account, "differs"),
            ("ledger", dearer.account, "differs"),
            ("ledger", doubled.account, "differs"),
            ("ledger", unlike, "missing"),
            ("ledger", unlike, "differs"),
        ]
    )
    assert sorted(letters) == sorted([(letter[1], "missing"), (late[1], "differs")])
    places = {each["id"]: (each["partition"], each["offset"]) for each in report["first"] if each["id"]}
    assert places[gone.id] == (gone.partition, gone.offset)
    assert report["accounts"]["charges"][gone.account] == 1
    assert booked.reconcile()["drift"] == 0


@contextmanager
def rewritten(scene: Reconciled, account: str) -> Iterator[None]:
    """While open the worker's table, and so ClickHouse, says of an account that it was charged a microcredit more."""
    servers, topics = scene.system.kafka.bootstrap_servers, scene.system.topics
    rows = read_topic(servers, topics.balances_changelog, PARTITIONS)
    (*_, row) = [each for each in rows if each.key() == account.encode()]
    value = row.value() or b""
    altered = msgspec.msgpack.decode(value, type=BalanceRow)
    altered.taken += 1
    producer = Producer({"bootstrap.servers": servers})
    for written in (encode_packed(altered), value):
        producer.produce(topics.balances_changelog, written, row.key(), row.partition() or 0)
        assert producer.flush(30) == 0
        if written != value:
            yield


def test_a_range_or_an_account_compares_no_more(booked: Reconciled) -> None:
    """Of two charges that are gone, the one that was asked for is found."""
    first, second = earliest_and_latest(booked)
    between = datetime.fromtimestamp(second.ingested_ms / 1_000, UTC).isoformat()
    assert first.ingested_ms < second.ingested_ms
    with booked.spoilt("charges", *(f"ALTER TABLE charges DELETE WHERE {row.where}" for row in (first, second))):
        reports = {
            arguments: booked.reconcile(*arguments)
            for arguments in [("--account", first.account), ("--from", between), ("--to", between)]
        }
    found = {
        arguments[0]: [each["id"] for each in report["first"] if each["kind"] == "charges"]
        for arguments, report in reports.items()
    }
    assert found == {"--account": [first.id], "--from": [second.id], "--to": [first.id]}
    until = reports["--to", between]["partitions"]
    assert all(each["until_ms"] <= second.ingested_ms for each in until)
    # Late events may come for a day after the range: the log was read to where it is booked.
    assert {each["balances_by"] for each in until} == {"inputs"}


def test_it_compares_while_events_flow_and_says_what_a_cut_log_leaves(
    kafka: KafkaServer, clickhouse: ClickHouseServer, database: str, create_topics: CreateTopics, tmp_path: Path
) -> None:
    """A sink that is behind is waited for, or told; and where retention took the log's start, sums stand in for it."""
    topics = create_topics(partitions=PARTITIONS)
    with running_system(kafka, topics, tmp_path) as system, opened(clickhouse, database) as client:
        scene = Reconciled(system, clickhouse, database, client)
        worker = system.worker()
        system.send(load(1_000))
        system.wait_booked()
        system.run("sinks", "migrate", **scene.settings)
        code, _, told = scene.run("--wait", "0")
        assert code == 1
        assert "the sink is still behind" in told
        assert f"of {topics.charges}" in told
        system.sink(clickhouse, database)
        sending = threading.Thread(target=lambda: system.send(load(10_000), rate=2_000))
        sending.start()
        assert scene.reconcile()["first"] == []
        sending.join()
        system.wait_booked()
        assert worker.stop() == 0
        with rewritten(scene, "account-1"):
            found = scene.reconcile()["first"]
        assert sorted((each["kind"], each["account"]) for each in found) == [
            ("balances_changelog", "account-1"),
            ("ledger", "account-1"),
        ]
        cut = scene.one("SELECT max(offset) FROM charges WHERE partition = 0")[0] // 2
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
        beginning = TopicPartition(topics.usage_events, 0, cut)
        admin.delete_records([beginning])[beginning].result(60)
        report = scene.reconcile()
        assert report["first"] == []
        part = report["partitions"][0]
        assert (part["charges"], part["balances_by"]) == (0, "differences")
        assert f"{topics.usage_events}/0 is kept from offset {cut}" in " ".join(part["notes"])
        assert {each["balances_by"] for each in report["partitions"][1:]} == {"inputs"}
        client.command(
            f"ALTER TABLE charges DELETE WHERE partition = 0 AND offset < {cut}", settings={"mutations_sync": 1}
        )
        assert {each["kind"] for each in scene.reconcile()["first"]} == {"balances_changelog"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--from", "yesterday"), "neither a day"),
        (("--from", "2026-11-22T10:00:00"), "no time zone"),
        (("--from", "2026-11-22", "--to", "2026-11-21"), "is not before"),
    ],
)
def test_a_range_that_cannot_be_is_bad_use(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 2 before anything is read, and says what is allowed."""
    assert main(["reconcile", *arguments]) == 2
    assert told in capsys.readouterr().err

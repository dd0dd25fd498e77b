"""What is in ClickHouse and in the worker's table is what the inputs demand, and reconcile finds every row that is not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver import Client

from producers.workload_settings import WorkloadSettings
from schemas.topics import TopicNames
from tests.integration.system import PARTITIONS, System, clickhouse_settings, running_system
from tests.processes import ROOT
from tests.servers import ClickHouseServer, KafkaServer
from tests.topics import delete_topics, make_topics, new_topics

EVENTS = 6_000
DRIFT = 3


class Booked:
    """A workload that is booked and written: worker and sink are gone, and nothing moves any more."""

    def __init__(self, system: System, clickhouse: ClickHouseServer, database: str, client: Client) -> None:
        self.system = system
        self.client = client
        self._settings = {**system.settings, **clickhouse_settings(clickhouse, database)}

    def reconcile(self, *arguments: str) -> tuple[int, Any]:
        """Exit code and report."""
        code, out, err = self.run(*arguments, "--format", "json")
        assert code in (0, DRIFT), out + err
        return code, json.loads(out)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and errors."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CREDITSTREAM_")}
        given = {f"CREDITSTREAM_{name.upper()}": str(value) for name, value in self._settings.items()}
        done = subprocess.run(
            [sys.executable, "-m", "sinks", "reconcile", *arguments],
            cwd=ROOT,
            env={**environ, **given},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    @contextmanager
    def changed(self, table: str, *statements: str) -> Iterator[None]:
        """While open the table is as the statements left it."""
        self.client.command(f"CREATE TABLE kept_{table} AS {table}")
        self.client.command(f"INSERT INTO kept_{table} SELECT * FROM {table}")
        try:
            for statement in statements:
                self.client.command(statement, settings={"mutations_sync": 1})
            yield
        finally:
            self.client.command(f"TRUNCATE TABLE {table}")
            self.client.command(f"INSERT INTO {table} SELECT * FROM kept_{table}")
            self.client.command(f"DROP TABLE kept_{table} SYNC")

    def one(self, query: str) -> Any:
        """The only row of an answer."""
        (row,) = self.client.query(query).result_rows
        return row


@pytest.fixture(scope="module")
def booked(
    kafka: KafkaServer, clickhouse: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Booked]:
    """Duplicates, late events, malformed ones of every kind and grants, booked by a worker and written by a sink."""
    database = f"reconciled_{os.getpid()}"
    topics = TopicNames(prefix=f"{database}.")
    made = new_topics(topics, PARTITIONS)
    make_topics(kafka.bootstrap_servers, made)
    with clickhouse_connect.get_client(
        host=clickhouse.host, port=clickhouse.port, username=clickhouse.user, password=clickhouse.password
    ) as client:
        client.command(f"CREATE DATABASE {database}")
        client.database = database
        with running_system(kafka, topics, tmp_path_factory.mktemp("reconcile")) as system:
            worker, sink = system.worker(), system.sink(clickhouse, database)
            system.send(load())
            system.wait_booked()
            assert worker.stop() == 0
            assert sink.stop() == 0
            yield Booked(system, clickhouse, database, client)
        client.command(f"DROP DATABASE {database} SYNC")
    delete_topics(kafka.bootstrap_servers, [topic.topic for topic in made])


def load() -> WorkloadSettings:
    """A workload of now."""
    return WorkloadSettings(
        accounts=200, events=EVENTS, malformed=0.01, started_at=datetime.now(UTC), partitions=PARTITIONS
    )


def test_what_was_booked_has_no_drift(booked: Booked) -> None:
    """With duplicates, late and malformed events: as many as the oracle counts of each, and none differs."""
    code, report = booked.reconcile()
    print(json.dumps(report, indent=1)[:6000])
    assert (code, report["drift"], report["first"]) == (0, 0, [])
    expected = booked.system.expected()
    total = {
        name: sum(each[name] for each in report["partitions"])
        for name in ("charges", "duplicates", "rollups", "balances", "dead_letters")
    }
    print(total)

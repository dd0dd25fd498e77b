"""The whole system for one test: topics, rate card, workers, sink; and its comparison with the oracle."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import clickhouse_connect
from confluent_kafka import Consumer, Producer, TopicPartition

from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from schemas.progress import PROGRESS_KEY, decode_progress
from schemas.topics import TopicNames
from tests.processes import ROOT, Running, wait_until
from tests.servers import ClickHouseServer, KafkaServer
from tests.simulation.observed import Observed, read_outputs, read_topic
from tests.simulation.oracle import (
    Expected,
    OracleSettings,
    differences,
    expect,
    read_all,
    read_clickhouse,
    read_rate_cards,
)

RATE_CARD = ROOT / "deploy" / "rate-cards" / "2026-01.toml"
PARTITIONS = 4
CATCH_UP_SECONDS = 90.0


@dataclass
class System:
    """What a test needs of its own installation; everything it starts ends with it."""

    kafka: KafkaServer
    topics: TopicNames
    folder: Path
    stack: ExitStack
    workers: list[Running] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, object]:
        return {"bootstrap_servers": self.kafka.bootstrap_servers, "topic_prefix": self.topics.prefix}

    def publish_rate_card(self) -> None:
        """Publish the card that the project ships."""
        self.run("producers", "rate-card", "publish", str(RATE_CARD))

    def run(self, module: str, *arguments: str, **settings: object) -> str:
        """Run a command of the project to its end; its output."""
        environ = {f"CREDITSTREAM_{name.upper()}": str(value) for name, value in {**self.settings, **settings}.items()}
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**_base_environ(), **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def worker(self, *arguments: str, **settings: object) -> Running:
        """A worker, started; its state cache is its own."""
        number = len(self.workers)
        running = Running(
            "stream",
            "worker",
            "--single-node",
            *arguments,
            log=self.folder / f"worker-{number}.log",
            **{
                "data_folder": self.folder / f"worker-{number}",
                "session_timeout_seconds": 6,
                **self.settings,
                **settings,
            },
        )
        self.stack.enter_context(running)
        self.workers.append(running)
        return running

    def sink(self, clickhouse: ClickHouseServer, database: str) -> Running:
        """A sink into that database, whose schema is made first."""
        settings = {**self.settings, **clickhouse_settings(clickhouse, database)}
        self.run("sinks", "migrate", **clickhouse_settings(clickhouse, database))
        running = Running("sinks", "worker", log=self.folder / "sink.log", **settings)
        return self.stack.enter_context(running)

    def send(self, settings: WorkloadSettings, *, rate: int | None = None) -> int:
        """Send a workload, and grants for some accounts between; how many records were taken."""
        return send_workload(self.kafka, self.topics, settings, rate=rate)

    def wait_booked(self) -> None:
        """Return once checkpoints have every record that the inputs hold now; the workers' gauges may be older."""
        ends = self._input_ends()

        def booked() -> bool:
            reached = dict.fromkeys(ends, 0)
            for record in read_topic(self.kafka.bootstrap_servers, self.topics.progress, PARTITIONS):
                if record.key() == PROGRESS_KEY:
                    progress = decode_progress(record.value() or b"")
                    reached |= {(topic, record.partition() or 0): end for topic, end in progress.offsets.items()}
            return all(reached[place] >= end for place, end in ends.items())

        wait_until(booked, CATCH_UP_SECONDS, self._explain)

    def _input_ends(self) -> dict[tuple[str, int], int]:
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": "ends"})
        try:
            return {
                (topic, partition): consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=60)[1]
                for topic in (self.topics.usage_events, self.topics.commands)
                for partition in range(PARTITIONS)
            }
        finally:
            consumer.close()

    def expected(self) -> Expected:
        """What the oracle makes of all that was sent."""
        servers = self.kafka.bootstrap_servers
        records = read_all(servers, self.topics, PARTITIONS)
        return expect(
            records, read_rate_cards(servers, self.topics), OracleSettings(partitions=PARTITIONS, topics=self.topics)
        )

    def outputs(self) -> Observed:
        """What the workers committed to Kafka."""
        return read_outputs(self.kafka.bootstrap_servers, self.topics, PARTITIONS)

    def assert_exact(self) -> Expected:
        """The ledger, rollups, charges and dead letters in Kafka equal the oracle's, and nothing is there twice."""
        expected, outputs = self.expected(), self.outputs()
        assert outputs.doubled == []
        assert outputs.broken == []
        assert differences(expected, outputs) == []
        return expected

    def _explain(self) -> str:
        return "\n".join(f"{worker.get('/healthz')} {worker.get('/readyz')}" for worker in self.workers)


@contextmanager
def running_system(kafka: KafkaServer, topics: TopicNames, folder: Path) -> Iterator[System]:
    """A system whose processes are gone afterwards."""
    with ExitStack() as stack:
        system = System(kafka, topics, folder, stack)
        system.publish_rate_card()
        yield system


def clickhouse_settings(clickhouse: ClickHouseServer, database: str) -> dict[str, object]:
    """The settings that name a ClickHouse."""
    return {
        "clickhouse_host": clickhouse.host,
        "clickhouse_port": clickhouse.port,
        "clickhouse_user": clickhouse.user,
        "clickhouse_password": clickhouse.password,
        "clickhouse_database": database,
    }


def send_workload(kafka: KafkaServer, topics: TopicNames, settings: WorkloadSettings, *, rate: int | None) -> int:
    """Send seeded records, with a grant after every 500th."""
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "partitioner": "murmur2_random",
            "message.max.bytes": 4 << 20,
            "linger.ms": 5,
        }
    )
    pace = Pace(rate)
    sent = 0
    for key, value, partition in workload_records(settings):
        if partition is None:
            producer.produce(topics.usage_events, value, key)
        else:
            producer.produce(topics.usage_events, value, key, partition)
        sent += 1
        if sent % 500 == 0:
            account = f"account-{sent // 500 % settings.accounts}"
            producer.produce(topics.commands, grant_command(account, sent), account.encode())
            pace.wait(sent)
        producer.poll(0)
    assert producer.flush(60) == 0
    return sent


class Pace:
    """Keeps to a rate of records a second, or to none."""

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._began = datetime.now(UTC)

    def wait(self, sent: int) -> None:
        """Sleep until as many were due."""
        if self._rate is not None:
            due = self._began + timedelta(seconds=sent / self._rate)
            left = (due - datetime.now(UTC)).total_seconds()
            if left > 0:
                time.sleep(left)


def grant_command(account: str, number: int) -> bytes:
    """A grant of 10.5 credits, as a billing system would send it."""
    time_text = datetime.now(UTC).isoformat()
    return (
        f'{{"specversion":"1.0","type":"creditstream.command","id":"command-{number}","source":"billing",'
        f'"subject":"{account}","time":"{time_text}",'
        f'"data":{{"kind":"grant","grant":"grant-{number}","credits":"10.5"}}}}'
    ).encode()


def clickhouse_figures(clickhouse: ClickHouseServer, database: str, expected: Expected) -> list[str]:
    """How ClickHouse differs from what is expected."""
    with clickhouse_connect.get_client(
        host=clickhouse.host, port=clickhouse.port, username=clickhouse.user, password=clickhouse.password
    ) as client:
        return differences(expected, read_clickhouse(client, database))


def _base_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CREDITSTREAM_")}

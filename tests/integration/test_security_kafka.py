"""Against a broker that demands TLS, SCRAM and ACLs, the whole path works, and secrets show up nowhere."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver import Client
from confluent_kafka.admin import AdminClient

from producers import UsageReporter
from schemas.settings import KafkaSettings, load_settings
from stream.app import make_app
from stream.group_credentials import group_credentials
from stream.settings import WorkerSettings
from tests.integration.kafka_rules import give, written_rules
from tests.integration.system import RATE_CARD, clickhouse_settings
from tests.processes import ROOT, Running, wait_until
from tests.secured_kafka import Certificates, SecuredKafka
from tests.servers import ClickHouseServer

PASSWORDS = {name: f"{name}-pass-93be17" for name in ("runtime", "operator", "worker", "sink")}
TOKEN = "scrape-token-5d1c88a2"
EVENTS = 600
CATCH_UP_SECONDS = 90.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def broker(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """A broker of this module's own; it ends with it."""
    broker = SecuredKafka(tmp_path_factory.mktemp("secured") / "kafka", certificates, PASSWORDS, os.getpid())
    broker.start()
    yield broker
    broker.kill()


class Place:
    """One installation on that broker: each process is a user of its own, who may do what SECURITY.md says."""

    def __init__(self, broker: SecuredKafka, prefix: str, folder: Path) -> None:
        self.broker = broker
        self.prefix = prefix
        self.folder = folder

    def settings(self, user: str, **others: object) -> dict[str, object]:
        """As a user's process is given them; the password comes from a file."""
        security = self.broker.security(user)
        file = self.folder / f"{user}.password"
        file.write_text(f"{security.pop('sasl_password')}\n")
        return {
            "bootstrap_servers": self.broker.bootstrap_servers,
            "topic_prefix": self.prefix,
            "sasl_password_file": file,
            **security,
            **others,
        }

    def run(self, user: str, module: str, *arguments: str, **others: object) -> subprocess.CompletedProcess[str]:
        """A command of the project, run to its end as this user."""
        settings = {**self.settings(user), **others}
        given = {f"CREDITSTREAM_{name.upper()}": str(value) for name, value in settings.items()}
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CREDITSTREAM_")}
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(
            command, cwd=ROOT, env={**environ, **given}, capture_output=True, text=True, timeout=120, check=False
        )

    def done(self, user: str, module: str, *arguments: str, **others: object) -> str:
        """Its output, if it went well."""
        ended = self.run(user, module, *arguments, **others)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr


@pytest.fixture
def place(broker: SecuredKafka, topic_prefix: str, tmp_path: Path) -> Place:
    """Its rules are given, its topics are made."""
    give(AdminClient(broker.admin), written_rules(), topic_prefix)
    place = Place(broker, topic_prefix, tmp_path)
    place.done("operator", "stream", "create-topics", "--partitions", "2", "--replication", "1")
    return place


@pytest.fixture
def reader(clickhouse: ClickHouseServer, database: str) -> Iterator[Client]:
    with clickhouse_connect.get_client(
        host=clickhouse.host,
        port=clickhouse.port,
        username=clickhouse.user,
        password=clickhouse.password,
        database=database,
    ) as client:
        yield client


def test_usage_reaches_clickhouse_through_tls_scram_and_acls_and_no_log_has_a_secret(
    place: Place, clickhouse: ClickHouseServer, database: str, reader: Client
) -> None:
    """Reporter, command line, worker and sink, each with the rights that SECURITY.md names and no others."""
    said = [place.done("operator", "producers", "rate-card", "publish", str(RATE_CARD))]
    said.append(place.done("operator", "producers", "command", "grant", "--account", "acme", "--credits", "100"))
    said.append(
        place.done(
            "runtime", "producers", "workload", "--flat-out", "--events", str(EVENTS),
            "--duplicates", "0", "--late", "0", "--malformed", "0",
        )  # fmt: skip
    )
    report_one(place)
    to_clickhouse = clickhouse_settings(clickhouse, database)
    said.append(place.done("sink", "sinks", "migrate", **to_clickhouse))
    worker = Running(
        "stream",
        "worker",
        "--single-node",
        log=place.folder / "worker.log",
        **place.settings("worker", data_folder=place.folder / "worker", log_level="DEBUG", http_token=TOKEN),
    )
    sink_settings = place.settings("sink", http_token=TOKEN, **to_clickhouse)
    with worker, Running("sinks", "worker", log=place.folder / "sink.log", **sink_settings) as sink:
        worker.wait_ready()
        wait_until(
            lambda: worker.alive() and sink.alive() and charges(reader) == EVENTS + 1,
            CATCH_UP_SECONDS,
            lambda: f"{charges(reader)} of {EVENTS + 1} charges\n{worker.get('/healthz')} {sink.get('/healthz')}",
        )
        assert worker.get("/metrics")[0] == sink.get("/metrics")[0] == 401
        for process in (worker, sink):
            said += [Path(f"/proc/{process.pid}/cmdline").read_text()] if Path("/proc/self").exists() else []
            said += [process.get(path)[1] for path in ("/metrics", "/healthz", "/readyz")]
        assert worker.stop() == 0
        assert sink.stop() == 0
    logs = [log.read_text() for log in place.folder.glob("*.log")]
    assert leaked([*said, *logs]) == []
    # A right that is missing need not stop anything: it may be a topic that is not looked at.
    assert [line for log in logs for line in log.splitlines() if "uthoriz" in line] == []


def report_one(place: Place) -> None:
    """As an agent runtime does, its settings read from the environment."""
    environ = {f"CREDITSTREAM_{name.upper()}": str(value) for name, value in place.settings("runtime").items()}
    settings = load_settings(KafkaSettings, environ)
    failures: list[Exception] = []
    with UsageReporter(
        bootstrap_servers=settings.bootstrap_servers,
        topic=settings.topics.usage_events,
        source="runtime/1",
        on_error=failures.append,
        kafka_config=settings.security,
    ) as reporter:
        reporter.report(account="acme", agent="a", conversation="c", channel="api", node="message")
        assert reporter.flush(30) == 0
    assert failures == []


def charges(reader: Client) -> int:
    """How many are in ClickHouse."""
    return int(reader.query("SELECT count() FROM charges FINAL").result_rows[0][0])


def leaked(texts: list[str]) -> list[str]:
    """The secrets that are somewhere in these texts."""
    return [secret for secret in (*PASSWORDS.values(), TOKEN) if any(secret in text for text in texts)]

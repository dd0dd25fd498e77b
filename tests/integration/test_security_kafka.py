"""Against a broker that demands TLS, SCRAM and ACLs, the whole path works, and secrets show up nowhere."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import faust
import pytest
from aiokafka.client import AIOKafkaClient
from clickhouse_connect.driver import Client
from confluent_kafka.admin import AdminClient
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from producers import UsageReporter
from producers.sender import Sender, UndeliveredError
from schemas.settings import KafkaSettings, load_settings
from stream.group_credentials import group_credentials
from stream.settings import WorkerSettings
from tests.integration.kafka_rules import give, written_rules
from tests.integration.system import RATE_CARD, clickhouse_settings
from tests.processes import ROOT, Running, wait_until
from tests.secured_kafka import Certificates, SecuredKafka
from tests.servers import ClickHouseServer

PASSWORDS = {name: f"{name}-pass-93be17" for name in ("runtime", "operator", "worker", "sink", "auditor")}
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
    """Reporter, command line, worker, sink and auditor, each with the rights that SECURITY.md names and no others."""
    said = [place.done("operator", "producers", "rate-card", "publish", str(RATE_CARD))]
    said.append(place.done("operator", "producers", "command", "grant", "--account", "acme", "--credits", "100"))
    no_noise = ("--duplicates", "0", "--late", "0", "--malformed", "0")
    said.append(place.done("runtime", "producers", "workload", "--flat-out", "--events", str(EVENTS), *no_noise))
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
        said.append(place.done("auditor", "sinks", "reconcile", **to_clickhouse))
        said.append(place.done("operator", "stream", "replay", "--all"))
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


COMMANDS = {
    "producers": ("command", "grant", "--account", "acme", "--credits", "1"),
    "stream": ("worker", "--single-node"),
}


@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sasl_password_file": "wrong.password"}, "uthentication failed"),
        ({"ssl_ca_location": "stranger.pem"}, "certificate verify failed"),
    ],
)
def test_who_cannot_prove_who_it_is_is_told_why_and_sends_nothing(
    place: Place, certificates: Certificates, change: dict[str, str], reason: str, module: str
) -> None:
    """Each row is a password that is wrong or an authority that signed nothing, what is said of it, and a process."""
    (place.folder / "wrong.password").write_text("wrong-pass-77aa")
    folders = {"sasl_password_file": place.folder, "ssl_ca_location": certificates.stranger.parent}
    changed = {name: folders[name] / file for name, file in change.items()}
    ended = place.run("operator", module, *COMMANDS[module], **changed)
    assert ended.returncode == 1
    assert "Kafka let us not in: " in ended.stderr
    assert reason in ended.stderr
    assert "CREDITSTREAM_SECURITY_PROTOCOL" in ended.stderr
    assert leaked([ended.stdout, ended.stderr]) == []
    assert "wrong-pass-77aa" not in ended.stdout + ended.stderr


def test_one_who_speaks_without_tls_is_told_what_to_check(place: Place) -> None:
    """A rate card is read before it is written: the consumer says it too."""
    plain = {"bootstrap_servers": place.broker.bootstrap_servers, "topic_prefix": place.prefix}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CREDITSTREAM_")}
    given = {f"CREDITSTREAM_{name.upper()}": value for name, value in plain.items()}
    command = [sys.executable, "-m", "producers", "rate-card", "publish", str(RATE_CARD)]
    ended = subprocess.run(
        command, cwd=ROOT, env={**environ, **given}, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1
    assert "CREDITSTREAM_SECURITY_PROTOCOL" in ended.stderr


@pytest.mark.parametrize(("user", "topic"), [("runtime", "credits.commands"), ("sink", "usage.events")])
def test_a_user_may_do_no_more_than_its_rules(place: Place, user: str, topic: str) -> None:
    """Each row is a user and a topic that it has no business writing to."""
    given = {f"CREDITSTREAM_{name.upper()}": str(value) for name, value in place.settings(user).items()}
    settings = load_settings(KafkaSettings, given)
    sender = Sender(settings.bootstrap_servers, kafka_config=settings.security)
    with pytest.raises(UndeliveredError, match="authorization failed"), sender:
        sender.send(f"{place.prefix}{topic}", b"acme", b"{}")


def test_client_certificates_open_the_broker_to_librdkafka_and_to_the_group(
    broker: SecuredKafka, certificates: Certificates
) -> None:
    """Where the broker asks for certificates instead of names: both clients of a worker have them."""
    environ = {
        "CREDITSTREAM_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker.certificate_port}",
        "CREDITSTREAM_SECURITY_PROTOCOL": "SSL",
        "CREDITSTREAM_SSL_CA_LOCATION": str(certificates.authority),
        "CREDITSTREAM_SSL_CERTIFICATE_LOCATION": str(certificates.client),
        "CREDITSTREAM_SSL_KEY_LOCATION": str(certificates.client_key),
    }
    settings = load_settings(WorkerSettings, environ)
    assert AdminClient(settings.kafka).list_topics(timeout=30).brokers.keys() == {1}
    credentials = group_credentials(settings)
    assert isinstance(credentials, faust.SSLCredentials)

    async def members_view() -> set[int]:
        client = AIOKafkaClient(
            bootstrap_servers=settings.bootstrap_servers,
            **credentials_to_aiokafka_auth(credentials),
        )
        await client.bootstrap()
        try:
            return {broker.nodeId for broker in client.cluster.brokers()}
        finally:
            await client.close()

    assert asyncio.run(members_view()) == {1}

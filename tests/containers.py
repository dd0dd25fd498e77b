"""Kafka and ClickHouse in containers of the official images, for machines with a Docker engine."""

from pathlib import Path

import clickhouse_connect
import docker  # type: ignore[import-untyped]
from docker.errors import DockerException, NotFound  # type: ignore[import-untyped]
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

from deploy.local.kafka_config import server_properties
from deploy.local.ports import LOOPBACK, free_port
from tests.servers import ClickHouseServer, KafkaServer

KAFKA_IMAGE = "apache/kafka:4.1.1"
CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:25.8"
_PING_TIMEOUT_SECONDS = 3
_CONTROLLER_PORT = 9093
_CLICKHOUSE_PORT = 8123
# Of a container that listens on the loopback interface and ends with the tests.
_WRITER, _READER, _PASSWORD = "creditstream", "analyst", "creditstream"


def docker_answers() -> bool:
    """Whether a Docker engine is there."""
    try:
        docker.from_env(timeout=_PING_TIMEOUT_SECONDS).ping()
    except DockerException:
        return False
    return True


def start_kafka(folder: Path) -> KafkaServer:
    """A broker in a container, which is noted in the folder."""
    port = free_port()
    settings = server_properties(Path("/tmp/kafka"), port, _CONTROLLER_PORT)
    settings["listeners"] = f"PLAINTEXT://:{port},CONTROLLER://:{_CONTROLLER_PORT}"
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(port, port)
    for name, value in settings.items():
        container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
    _start(container.waiting_for(LogMessageWaitStrategy("Kafka Server started")), folder)
    return KafkaServer(f"{LOOPBACK}:{port}")


def start_clickhouse(folder: Path) -> ClickHouseServer:
    """A ClickHouse in a container, which is noted in the folder."""
    port = free_port()
    container = DockerContainer(CLICKHOUSE_IMAGE).with_bind_ports(_CLICKHOUSE_PORT, port)
    container.with_env("CLICKHOUSE_USER", _WRITER).with_env("CLICKHOUSE_PASSWORD", _PASSWORD)
    container.with_env("CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT", "1")
    _start(container.waiting_for(HttpWaitStrategy(_CLICKHOUSE_PORT, "/ping")), folder)
    with clickhouse_connect.get_client(host=LOOPBACK, port=port, username=_WRITER, password=_PASSWORD) as client:
        client.command(f"CREATE USER {_READER} IDENTIFIED BY '{_PASSWORD}' SETTINGS readonly = 2")
        client.command(f"GRANT SELECT ON *.* TO {_READER}")
    return ClickHouseServer(LOOPBACK, port, _WRITER, _PASSWORD, _READER, _PASSWORD)


def remove_containers(folder: Path) -> None:
    """End the containers that are noted in the folder; what is gone already is fine."""
    for note in folder.glob("*.container"):
        try:
            docker.from_env().containers.get(note.read_text(encoding="utf-8")).remove(force=True, v=True)
        except NotFound:
            continue


def _start(container: DockerContainer, folder: Path) -> None:
    # The reaper would end containers with the test worker that started them, while the others still use them.
    testcontainers_config.ryuk_disabled = True
    container.start()
    identity = str(container.get_wrapped_container().id)
    (folder / f"{identity[:12]}.container").write_text(identity, encoding="utf-8")

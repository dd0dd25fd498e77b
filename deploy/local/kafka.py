"""Apache Kafka on this machine: one KRaft node that is broker and controller, on the loopback interface."""

import os
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local.errors import LocalStackError
from deploy.local.jars import resolve_jars
from deploy.local.java import find_java
from deploy.local.kafka_config import LOGGING, server_properties
from deploy.local.ports import free_port
from deploy.local.service import LocalService

DEFAULT_HEAP_MIB = 768
_FORMAT_TIMEOUT_SECONDS = 60
_PROBE_SECONDS = 1.0


class LocalKafka(LocalService):
    """A broker without authentication; topics have one copy."""

    title = "Kafka"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        owner_pid: int | None = None,
        heap_mib: int = DEFAULT_HEAP_MIB,
    ) -> None:
        super().__init__(folder, port, owner_pid=owner_pid)
        self._heap_mib = heap_mib
        self._cluster_file = self.folder / "cluster-id"

    @property
    def bootstrap_servers(self) -> str:
        return f"{self.host}:{self.port}"

    def answers(self) -> bool:
        """Whether this very broker, told by its cluster id, answers on its port."""
        if self._process.running() is None:
            return False
        admin = AdminClient({**self._client_settings(), "log_level": 0, "reconnect.backoff.ms": 20})
        try:
            metadata = admin.list_topics(timeout=_PROBE_SECONDS)
        except KafkaException:
            return False
        return bool(metadata.brokers) and metadata.cluster_id == self._cluster_id()

    def _client_settings(self) -> dict[str, str | int | float | bool]:
        """How librdkafka reaches it."""
        return {"bootstrap.servers": self.bootstrap_servers}

    def _server_settings(self, port: int) -> dict[str, str]:
        """What it is told."""
        return server_properties(self.folder / "data", port, controller_port=free_port())

    def _format_arguments(self) -> list[str]:
        """What its storage begins with."""
        return []

    def _command(self, port: int) -> tuple[list[str], str]:
        java, classpath = find_java(), os.pathsep.join(map(str, resolve_jars()))
        properties = self._configure(port)
        self._format(java, classpath, properties)
        command = [
            str(java),
            f"-Xmx{self._heap_mib}m",
            # Its clients share its cores, and it lives for minutes: compiling it well took two fifths of its time.
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:+ExitOnOutOfMemoryError",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            "-cp",
            classpath,
            "kafka.Kafka",
            str(properties),
        ]
        return command, str(properties)

    def _configure(self, port: int) -> Path:
        """Write the broker's settings and its logging's; the settings' path."""
        (self.folder / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
        properties = self.folder / "server.properties"
        settings = self._server_settings(port)
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        return properties

    def _format(self, java: Path, classpath: str, properties: Path) -> None:
        """Make the broker's storage, once."""
        if (self.folder / "data" / "meta.properties").exists():
            return
        tool = [str(java), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classpath]
        arguments = ["format", "--cluster-id", self._cluster_id(), "--config", str(properties)]
        arguments += self._format_arguments()
        try:
            subprocess.run(
                [*tool, "kafka.tools.StorageTool", *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=_FORMAT_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise LocalStackError(
                f"Kafka's storage in {self.folder} was not ready within {_FORMAT_TIMEOUT_SECONDS} s: start again."
            ) from None
        except subprocess.CalledProcessError as error:
            raise LocalStackError(
                f"Kafka's storage in {self.folder} could not be made: {error.stderr.strip()[-1000:]}"
            ) from None

    def _cluster_id(self) -> str:
        """This broker's name among all brokers, made once."""
        if not self._cluster_file.exists():
            # As Kafka makes them: 16 bytes in URL-safe base64, not starting with a dash.
            made = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
            self._cluster_file.write_text(made, encoding="utf-8")
        return self._cluster_file.read_text(encoding="utf-8")

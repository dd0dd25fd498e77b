"""One Kafka and one ClickHouse for all workers of a test session, each started when the first test asks for it.

The session's first process, the one that pytest was called as, owns them: it ends them when the session ends, and
where it is killed they end by themselves.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from deploy.local.clickhouse import ANALYST, LocalClickHouse
from deploy.local.clickhouse_http.users import DEFAULT_USER
from deploy.local.exclusive import exclusive
from deploy.local.kafka import LocalKafka
from deploy.local.process import exists
from tests import containers
from tests.servers import ClickHouseServer, KafkaServer

_PREFIX = "creditstream-tests-"

Server = TypeVar("Server", KafkaServer, ClickHouseServer)


class SharedStack:
    """The servers of one folder; every worker has an object of its own on the same folder."""

    def __init__(self, folder: Path, owner_pid: int) -> None:
        self.folder = folder
        self.owner_pid = owner_pid

    @classmethod
    def create(cls) -> "SharedStack":
        """A stack that this process owns; what killed sessions left is removed."""
        for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if owner.isdigit() and not exists(int(owner)):
                cls(folder, int(owner)).close()
        return cls(Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")), os.getpid())

    def kafka(self) -> KafkaServer:
        """The broker, started if nobody has yet."""
        return self._once("kafka", KafkaServer, self._start_local_kafka, containers.start_kafka)

    def clickhouse(self) -> ClickHouseServer:
        """ClickHouse, started if nobody has yet."""
        start = self._start_local_clickhouse
        return self._once("clickhouse", ClickHouseServer, start, containers.start_clickhouse)

    def close(self) -> None:
        """End what was started and remove the folder."""
        self._local_kafka().kill()
        self._local_clickhouse().kill()
        containers.remove_containers(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _once(
        self, name: str, kind: type[Server], local: Callable[[], Server], container: Callable[[Path], Server]
    ) -> Server:
        noted = self.folder / f"{name}.json"
        with exclusive(self.folder / f"{name}.lock"):
            if noted.exists():
                return msgspec.json.decode(noted.read_bytes(), type=kind)
            server = container(self.folder) if containers.docker_answers() else local()
            noted.write_bytes(msgspec.json.encode(server))
            return server

    def _start_local_kafka(self) -> KafkaServer:
        broker = self._local_kafka()
        broker.start()
        return KafkaServer(broker.bootstrap_servers)

    def _start_local_clickhouse(self) -> ClickHouseServer:
        server = self._local_clickhouse()
        server.start()
        return ClickHouseServer(server.host, server.port, DEFAULT_USER, "", ANALYST, "")

    def _local_kafka(self) -> LocalKafka:
        return LocalKafka(self.folder / "kafka", owner_pid=self.owner_pid)

    def _local_clickhouse(self) -> LocalClickHouse:
        return LocalClickHouse(self.folder / "clickhouse", owner_pid=self.owner_pid)

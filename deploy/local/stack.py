"""Kafka and ClickHouse of one data folder, started together, found again, stopped together."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct

from deploy.local.clickhouse import LocalClickHouse
from deploy.local.clickhouse_http.users import DEFAULT_USER
from deploy.local.kafka import LocalKafka


class Endpoints(Struct, frozen=True):
    """Where the stack listens, as kept in the data folder's `stack.json`."""

    bootstrap_servers: str
    clickhouse_host: str
    clickhouse_port: int
    clickhouse_user: str

    def environment(self) -> dict[str, str]:
        """The settings that point creditstream's processes here."""
        return {
            "CREDITSTREAM_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "CREDITSTREAM_CLICKHOUSE_HOST": self.clickhouse_host,
            "CREDITSTREAM_CLICKHOUSE_PORT": str(self.clickhouse_port),
            "CREDITSTREAM_CLICKHOUSE_USER": self.clickhouse_user,
        }


class LocalStack:
    """Both services under one folder; with `owner_pid` they end when the owner does."""

    def __init__(
        self,
        data: Path,
        *,
        kafka_port: int | None = None,
        clickhouse_port: int | None = None,
        owner_pid: int | None = None,
    ) -> None:
        self.data = data.resolve()
        self.kafka = LocalKafka(self.data / "kafka", kafka_port, owner_pid=owner_pid)
        self.clickhouse = LocalClickHouse(self.data / "clickhouse", clickhouse_port, owner_pid=owner_pid)
        self._state_file = self.data / "stack.json"

    def start(self) -> Endpoints:
        """Have both running, and know where; LocalStackError when one cannot be had."""
        ours = [service for service in (self.kafka, self.clickhouse) if service.pid is None]
        try:
            with ThreadPoolExecutor(2) as pool:
                started = [pool.submit(service.start) for service in (self.kafka, self.clickhouse)]
                # Within `with`: after Ctrl-C both starts are waited for, so that what they started is ended.
                for each in started:
                    each.result()
        except BaseException:
            for service in ours:
                service.stop()
            raise
        endpoints = self.endpoints()
        self._state_file.write_bytes(msgspec.json.format(msgspec.json.encode(endpoints)))
        return endpoints

    def stop(self) -> None:
        """End both; nothing happens when none runs."""
        with ThreadPoolExecutor(2) as pool:
            ended = [pool.submit(service.stop) for service in (self.kafka, self.clickhouse)]
        for each in ended:
            each.result()
        self._state_file.unlink(missing_ok=True)

    def endpoints(self) -> Endpoints:
        """Where both listen, or will."""
        return Endpoints(self.kafka.bootstrap_servers, self.clickhouse.host, self.clickhouse.port, DEFAULT_USER)

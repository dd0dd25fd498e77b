"""ClickHouse as the sink sees it: rows are written, or refused, or ClickHouse is away."""

import logging
from typing import Any, NamedTuple, Protocol

import clickhouse_connect
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.refusals import judged
from sinks.settings import ClickHouseSettings
from sinks.tables.table import Columns, Table

# The client logs a traceback for every failed attempt; the sink says it once per attempt, in a line.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

# Pinned: an asynchronous insert answers before the rows are there, and would be committed over.
# A batch that catches up may touch any number of months, which is no reason to refuse it.
_INSERT_SETTINGS = {"async_insert": 0, "max_partitions_per_insert_block": 0}


class ServerStart(NamedTuple):
    """Which server answered, and when it started (seconds since 1970, UTC, give or take one)."""

    host: str
    started_at: int
    uptime_seconds: int


class Writer(Protocol):
    """Writes rows; ClickHouseAwayError, RowsRefusedError and UnclearError say why not."""

    def insert(self, table: Table[Any], columns: Columns) -> None:
        """All of these rows are in ClickHouse when this returns."""

    def server_start(self) -> ServerStart:
        """Which server answers, and since when."""


def connect(settings: ClickHouseSettings, *, database: bool = True) -> Client:
    """A client for one thread at a time; raises what `judged` makes of the client library's errors."""
    try:
        return clickhouse_connect.get_client(
            host=settings.clickhouse_host,
            port=settings.clickhouse_port,
            username=settings.clickhouse_user,
            password=settings.clickhouse_password,
            database=settings.clickhouse_database if database else "default",
            secure=settings.clickhouse_secure,
            verify=settings.clickhouse_verify,
            ca_cert=settings.clickhouse_ca_location or None,
            compress="lz4",
            connect_timeout=min(10, settings.clickhouse_timeout_seconds),
            send_receive_timeout=settings.clickhouse_timeout_seconds,
            query_retries=0,
            # A session would let only one request at a time through, and ours need none.
            autogenerate_session_id=False,
        )
    except (ClickHouseError, OSError) as error:
        raise judged(error) from error


class ClickHouseWriter:
    """Writes to one ClickHouse, connecting when first asked and again after it was away."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self._settings = settings
        self._insert_settings: dict[str, Any] = {**_INSERT_SETTINGS, **settings.insert_settings}
        self._client: Client | None = None

    def insert(self, table: Table[Any], columns: Columns) -> None:
        client = self._connected()
        try:
            client.insert(
                table.name,
                columns,
                column_names=list(table.columns),
                column_type_names=list(table.columns.values()),
                column_oriented=True,
                settings=self._insert_settings,
            )
        except Exception as error:
            self._disconnect()
            raise judged(error) from error

    def server_start(self) -> ServerStart:
        client = self._connected()
        try:
            rows = client.query("SELECT hostName(), toUnixTimestamp(now()) - uptime(), uptime()").result_rows
            return ServerStart(*rows[0])
        except Exception as error:
            self._disconnect()
            raise judged(error) from error

    def _connected(self) -> Client:
        if self._client is None:
            self._client = connect(self._settings)
        return self._client

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

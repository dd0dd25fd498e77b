"""A system that is booked and written, and `reconcile` run against it; its tables can be spoilt for a while."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver import Client

from tests.integration.commands import ended
from tests.integration.system import System, clickhouse_settings
from tests.servers import ClickHouseServer

DRIFT = 3


class Reconciled:
    """One installation and its database."""

    def __init__(self, system: System, clickhouse: ClickHouseServer, database: str, client: Client) -> None:
        self.system = system
        self.client = client
        self.settings = {**system.settings, **clickhouse_settings(clickhouse, database)}

    def reconcile(self, *arguments: str) -> Any:
        """The report; drift and exit code agree."""
        code, out, err = self.run(*arguments, "--format", "json", "--no-record")
        assert code in (0, DRIFT), out + err
        report = json.loads(out)
        assert (code == DRIFT) == (report["drift"] > 0) == bool(report["first"])
        return report

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and errors."""
        done = ended(self.settings, "sinks", "reconcile", *arguments)
        return done.returncode, done.stdout, done.stderr

    @contextmanager
    def spoilt(self, table: str, *statements: str) -> Iterator[None]:
        """While open the table is as the statements left it."""
        self.client.command(f"CREATE TABLE kept_{table} CLONE AS {table}")
        try:
            for statement in statements:
                self.client.command(statement, settings={"mutations_sync": 1})
            yield
        finally:
            self.client.command(f"EXCHANGE TABLES kept_{table} AND {table}")
            self.client.command(f"DROP TABLE kept_{table} SYNC")

    def one(self, query: str) -> Any:
        """The only row of an answer."""
        (row,) = self.client.query(query).result_rows
        return row


@contextmanager
def opened(clickhouse: ClickHouseServer, database: str) -> Iterator[Client]:
    """A client of a database."""
    with clickhouse_connect.get_client(
        host=clickhouse.host,
        port=clickhouse.port,
        username=clickhouse.user,
        password=clickhouse.password,
        database=database,
        autogenerate_session_id=False,
    ) as client:
        yield client

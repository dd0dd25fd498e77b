"""The roles of the migrations: who writes, who reads, and whose rows.

Where ClickHouse keeps users, as in a container, users are made and asked as; elsewhere ClickHouse in process is given
the same statements' rights for its one user (tests/clickhouse_as_user.py).
"""

import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import clickhouse_connect
import msgspec
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from sinks.feeds import TABLES
from sinks.migrate import migrate, read_migrations
from sinks.settings import ClickHouseSettings
from tests import clickhouse_as_user
from tests.clickhouse_as_user import Answer, users_file
from tests.processes import ROOT
from tests.servers import ClickHouseServer

ACCESS_DENIED, READONLY = 497, 164
NOBODY = ""
ROLES = ("writer", "auditor", "analyst", "grafana", "tenant")
TENANT_VIEWS = (
    "current_balances",
    "usage_by_hour",
    "conversations_by_day",
    "credit_lots",
    "alerts_sent",
    "refills_asked",
    "bill_lines",
    "ledger_entries",
    "priced_events",
)
GRAFANA_VIEWS = TENANT_VIEWS[:7]
TENANT_TABLES = (
    "balances",
    "rollups",
    "conversations",
    "charges",
    "lots",
    "ledger",
    "alerts",
    "refill_requests",
    "bills",
)
ROWS = (
    "INSERT INTO {db}.balances (account, granted_credits, version) VALUES ('acme', 500, 1), ('rival', 700, 1)",
    "INSERT INTO {db}.rollups (account, hour, events, version) VALUES ('acme', 0, 3, 1), ('rival', 0, 4, 1)",
    "INSERT INTO {db}.conversations (account, conversation, version) VALUES ('acme', 'c1', 1), ('rival', 'c2', 1)",
    "INSERT INTO {db}.charges (account, id, version) VALUES ('acme', 'e1', 1), ('rival', 'e2', 1)",
    "INSERT INTO {db}.lots (account, version) VALUES ('acme', 1), ('rival', 1)",
    "INSERT INTO {db}.ledger (account, version) VALUES ('acme', 1), ('rival', 1)",
    "INSERT INTO {db}.alerts (account, version) VALUES ('acme', 1), ('rival', 1)",
    "INSERT INTO {db}.refill_requests (account, version) VALUES ('acme', 1), ('rival', 1)",
    "INSERT INTO {db}.bills (account, version) VALUES ('acme', 1), ('rival', 1)",
    "INSERT INTO {db}.dead_letters (topic, account, value, version) VALUES ('usage.events', 'rival', 'raw', 1)",
)
WRITES = (
    "INSERT INTO {db}.balances (account, version) VALUES ('acme', 2)",
    "INSERT INTO {db}.tenant_readers (user_name, account) VALUES ('{user}', 'rival')",
    "ALTER TABLE {db}.balances DELETE WHERE 1",
    "ALTER TABLE {db}.balances UPDATE events = 0 WHERE 1",
    "TRUNCATE TABLE {db}.balances",
    "DROP TABLE {db}.balances",
    "DROP DATABASE {db}",
    "CREATE TABLE {db}.mine (x UInt8) ENGINE = MergeTree ORDER BY x",
    "CREATE OR REPLACE VIEW {db}.current_balances AS SELECT 1 AS account",
    "OPTIMIZE TABLE {db}.balances FINAL",
    "CREATE USER somebody IDENTIFIED WITH no_password",
    "GRANT SELECT ON *.* TO {user}",
)

SHUT_OUT = (
    "INSERT INTO {db}.tenant_readers (user_name, account, version, deleted)"
    " VALUES ('{user}', 'acme', 18446744073709551615, 1)"
)
OF_THE_SINK = (
    "SELECT hostName(), toUnixTimestamp(now()) - uptime(), uptime()",
    "SELECT number, checksum FROM {db}.schema_migrations FINAL",
    "EXISTS TABLE {db}.schema_migrations",
    "SELECT partition, argMax(drift, (finished_at, run)) FROM {db}.reconciliations FINAL GROUP BY partition",
)


class InProcess:
    """ClickHouse in a process for each role, one after another over one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.database = "credits"
        self.user = clickhouse_as_user.USER

    def prepare(self, statements: list[str]) -> None:
        """Run these as one who may do everything."""
        answers = self._run(statements)
        assert [answer.code for answer in answers] == [0] * len(statements)

    def ask_as(self, role: str, *statements: str) -> list[Answer]:
        """The answers to one who has this role and nothing else."""
        roles = [each for migration in read_migrations() if migration.optional for each in migration.statements]
        stated = [each.replace("${database}", self.database) for each in roles]
        users = self._folder / "users.xml"
        users.write_text(users_file(stated, f"{self.database}_{role}"))
        try:
            return self._run([each.format(db=self.database, user=self.user) for each in statements])
        finally:
            users.unlink()

    def _run(self, statements: list[str]) -> list[Answer]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.clickhouse_as_user", str(self._folder)],
            cwd=ROOT,
            input=msgspec.json.encode(statements),
            capture_output=True,
            timeout=120,
            check=True,
        )
        return msgspec.json.decode(done.stdout, type=list[Answer])


class Server:
    """A ClickHouse that keeps users: one is made for each role."""

    def __init__(self, server: ClickHouseServer, database: str) -> None:
        self._server = server
        self._password = uuid.uuid4().hex
        self.database = database
        self.user = f"{database}_user"

    def prepare(self, statements: list[str]) -> None:
        """Run these as one who may do everything."""
        for answer in self._run(self._server.user, self._server.password, statements):
            assert answer.code == 0

    def ask_as(self, role: str, *statements: str) -> list[Answer]:
        """The answers to one who has this role and nothing else."""
        granted = f"DEFAULT ROLE {self.database}_{role}" if role else "DEFAULT ROLE NONE"
        grant = [f"GRANT {self.database}_{role} TO {self.user}"] if role else []
        made = f"CREATE USER {self.user} IDENTIFIED BY '{self._password}'"
        self.prepare([made, *grant, f"ALTER USER {self.user} {granted}"])
        try:
            asked = [each.format(db=self.database, user=self.user) for each in statements]
            return self._run(self.user, self._password, asked)
        finally:
            self.prepare([f"DROP USER {self.user}"])

    def remove_roles(self) -> None:
        """What the migration made outside the database."""
        tables = ", ".join(f"{self.database}.{table}" for table in (*TENANT_TABLES, "tenant_readers"))
        roles = ", ".join(f"{self.database}_{role}" for role in ROLES)
        policies = [f"DROP ROW POLICY {self.database}_{name} ON {tables}" for name in ("everyone", "tenant")]
        self.prepare([*policies, f"DROP SETTINGS PROFILE {self.database}_reader", f"DROP ROLE {roles}"])

    def _run(self, user: str, password: str, statements: list[str]) -> list[Answer]:
        with clickhouse_connect.get_client(
            host=self._server.host, port=self._server.port, username=user, password=password
        ) as client:
            return [_answered(client, each) for each in statements]


def _answered(client: clickhouse_connect.driver.Client, sql: str) -> Answer:
    try:
        if sql.startswith("SELECT"):
            rows = client.query(sql).result_rows
            return Answer([[str(value) for value in row] for row in rows])
        client.command(sql)
    except DatabaseError as error:
        return Answer([], error.code or -1)
    return Answer([])


@pytest.fixture
def place(clickhouse: ClickHouseServer, database: str, tmp_path: Path) -> Iterator[InProcess | Server]:
    """The migrated schema with rows of two accounts; the user who asks is acme's."""
    settings = ClickHouseSettings(
        clickhouse_host=clickhouse.host,
        clickhouse_port=clickhouse.port,
        clickhouse_user=clickhouse.user,
        clickhouse_password=clickhouse.password,
        clickhouse_database=database,
    )
    optional = {migration.name for migration in read_migrations() if migration.optional}
    keeps_users = optional <= set(migrate(settings))
    made: InProcess | Server = Server(clickhouse, database) if keeps_users else InProcess(tmp_path)
    if isinstance(made, InProcess):
        made.prepare([f"CREATE DATABASE {made.database}", f"USE {made.database}", *schema()])
    letting_in = "INSERT INTO {db}.tenant_readers (user_name, account) VALUES ('{user}', 'acme'), ('other', 'rival')"
    made.prepare([each.format(db=made.database, user=made.user) for each in (*ROWS, letting_in)])
    yield made
    if isinstance(made, Server):
        made.remove_roles()


def schema() -> list[str]:
    """Every statement of the migrations that need no rights, and the table that they are recorded in."""
    required = [each for migration in read_migrations() if not migration.optional for each in migration.statements]
    return [
        *required,
        "CREATE TABLE schema_migrations (number UInt32, checksum String) ENGINE = ReplacingMergeTree ORDER BY number",
    ]


def of_each(sql: str, names: Iterable[str]) -> list[str]:
    """The statement with each name in place of `$`."""
    return [sql.replace("$", name) for name in names]


def refused(answers: list[Answer]) -> bool:
    """Whether every statement was, for lack of rights."""
    return {answer.code for answer in answers} <= {ACCESS_DENIED, READONLY}


@pytest.mark.parametrize("role", ["analyst", "grafana", "tenant"])
def test_who_reads_can_write_nothing(place: InProcess | Server, role: str) -> None:
    """Rows, tables, views, users and rights: each statement is refused, and nothing has changed."""
    assert refused(place.ask_as(role, *WRITES))
    (left,) = place.ask_as("analyst", "SELECT account, version FROM {db}.balances ORDER BY account")
    assert left.rows == [["acme", "1"], ["rival", "1"]]


def test_an_analyst_and_grafana_read_every_account(place: InProcess | Server) -> None:
    """The views, as the dashboard and the command line ask them; the analyst the tables as well."""
    views = of_each("SELECT DISTINCT account FROM {db}.$ ORDER BY account", TENANT_VIEWS)
    assert [answer.rows for answer in place.ask_as("analyst", *views)] == [[["acme"], ["rival"]]] * len(views)
    assert [answer.rows for answer in place.ask_as("grafana", *views[: len(GRAFANA_VIEWS)])] == [
        [["acme"], ["rival"]]
    ] * len(GRAFANA_VIEWS)
    letters = "SELECT ingested_at, reason, account, detail, fix, topic, partition, offset FROM {db}.rejected_input"
    assert [len(place.ask_as(role, letters)[0].rows) for role in ("analyst", "grafana")] == [1, 1]


def test_a_tenant_reads_its_own_rows_and_no_others(place: InProcess | Server) -> None:
    """Through views and tables, by name, by count, by aggregate and by table function."""
    sources = (*TENANT_VIEWS, *TENANT_TABLES)
    whose = of_each("SELECT DISTINCT account FROM {db}.$", sources)
    assert [answer.rows for answer in place.ask_as("tenant", *whose)] == [[["acme"]]] * len(sources)
    rivals = of_each("SELECT count() FROM {db}.$ WHERE account = 'rival'", sources)
    assert [answer.rows for answer in place.ask_as("tenant", *rivals)] == [[["0"]]] * len(sources)
    totals = of_each("SELECT count(), max(account) FROM {db}.$", TENANT_TABLES)
    assert [answer.rows for answer in place.ask_as("tenant", *totals)] == [[["1", "acme"]]] * len(totals)
    (merged,) = place.ask_as("tenant", "SELECT DISTINCT account FROM merge('{db}', '^(balances|charges)$')")
    assert merged.rows in ([["acme"]], [])


def test_a_tenant_sees_neither_dead_letters_nor_who_else_is_let_in(place: InProcess | Server) -> None:
    """Dead letters are bytes of anybody; the list of readers shows its own line."""
    letters, bytes_, readers, migrations = place.ask_as(
        "tenant",
        "SELECT * FROM {db}.rejected_input",
        "SELECT value FROM {db}.dead_letters",
        "SELECT user_name, account FROM {db}.tenant_readers",
        "SELECT * FROM {db}.schema_migrations",
    )
    assert readers.rows == [[place.user, "acme"]]
    assert refused([letters, bytes_, migrations])


def test_a_tenant_who_is_let_in_nowhere_or_no_longer_reads_nothing(place: InProcess | Server) -> None:
    """A deleted line in tenant_readers shuts the user out."""
    place.prepare([SHUT_OUT.format(db=place.database, user=place.user)])
    answers = place.ask_as("tenant", *of_each("SELECT * FROM {db}.$", TENANT_VIEWS))
    assert [(answer.rows, answer.code) for answer in answers] == [([], 0)] * len(TENANT_VIEWS)


def test_the_writer_writes_what_the_sink_writes_and_reads_none_of_it(place: InProcess | Server) -> None:
    """Not even a balance; and it lets nobody in."""
    tables = [table.name for table in TABLES]
    inserts = of_each("INSERT INTO {db}.$ (version) VALUES (9)", tables)
    assert {answer.code for answer in place.ask_as("writer", *inserts)} == {0}
    assert {answer.code for answer in place.ask_as("writer", *OF_THE_SINK)} == {0}
    assert refused(place.ask_as("writer", "INSERT INTO {db}.reconciliations (partition) VALUES (1)"))
    reads = of_each("SELECT * FROM {db}.$", tables)
    assert refused(place.ask_as("writer", *reads, *WRITES[1:]))


def test_an_auditor_reads_everything_and_writes_what_it_found_alone(place: InProcess | Server) -> None:
    """Not a charge: who compares corrects nothing."""
    tables = [table.name for table in TABLES]
    reads = of_each("SELECT count() FROM {db}.$", [*tables, "reconciliations"])
    inserted, *counted = place.ask_as("auditor", "INSERT INTO {db}.reconciliations (partition) VALUES (1)", *reads)
    assert inserted.code == 0
    assert [answer.rows for answer in counted] == [[["2"]]] * len(TENANT_TABLES) + [[["1"]]] * 2
    assert refused(place.ask_as("auditor", *WRITES, *of_each("INSERT INTO {db}.$ (version) VALUES (9)", tables)))


def test_one_without_a_role_reads_nothing(place: InProcess | Server) -> None:
    """Nothing is granted to everybody."""
    sources = (*TENANT_VIEWS, *TENANT_TABLES, "dead_letters", "tenant_readers")
    assert refused(place.ask_as(NOBODY, *of_each("SELECT * FROM {db}.$", sources)))


def test_clickhouse_understands_every_statement_of_the_roles(clickhouse: ClickHouseServer, database: str) -> None:
    """Also where it cannot keep them."""
    statements = [each for migration in read_migrations() if migration.optional for each in migration.statements]
    with clickhouse_connect.get_client(
        host=clickhouse.host, port=clickhouse.port, username=clickhouse.user, password=clickhouse.password
    ) as client:
        for statement in statements:
            assert client.query(f"EXPLAIN AST {statement.replace('${database}', database)}").result_rows

"""ClickHouse's schema: applied in order, recorded, safe to run twice and by two at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clickhouse_connect
import msgspec
import pytest
from clickhouse_connect.driver import Client

from sinks.__main__ import main
from sinks.feeds import TABLES
from sinks.migrate import MIGRATIONS, SchemaError, check_schema, migrate, read_migrations
from sinks.refusals import ClickHouseAwayError
from sinks.settings import ClickHouseSettings
from tests.servers import ClickHouseServer


@pytest.fixture
def settings(clickhouse: ClickHouseServer, database: str) -> ClickHouseSettings:
    """An empty database."""
    return ClickHouseSettings(
        clickhouse_host=clickhouse.host,
        clickhouse_port=clickhouse.port,
        clickhouse_user=clickhouse.user,
        clickhouse_password=clickhouse.password,
        clickhouse_database=database,
    )


@pytest.fixture
def client(settings: ClickHouseSettings) -> Client:
    """That database, by the client library."""
    return clickhouse_connect.get_client(
        host=settings.clickhouse_host,
        port=settings.clickhouse_port,
        username=settings.clickhouse_user,
        password=settings.clickhouse_password,
        database=settings.clickhouse_database,
        autogenerate_session_id=False,
    )


REQUIRED = [migration for migration in read_migrations() if not migration.optional]
OPTIONAL = [migration.name for migration in read_migrations() if migration.optional]
NAMES = [migration.name for migration in REQUIRED]


def applied(settings: ClickHouseSettings) -> list[str]:
    """The required migrations that `migrate` applied: whether the user may make roles, the optional ones show."""
    return [name for name in migrate(settings) if name not in OPTIONAL]


def test_migrations_apply_in_order_once(settings: ClickHouseSettings, client: Client) -> None:
    """The first run applies all, the second none, and each is recorded with its checksum."""
    assert applied(settings) == NAMES
    assert migrate(settings) == []
    recorded = client.query("SELECT number, name, checksum FROM schema_migrations FINAL ORDER BY number").result_rows
    required = [(migration.number, migration.name, migration.checksum) for migration in REQUIRED]
    assert [row for row in recorded if row[1] not in OPTIONAL] == required


def test_the_database_is_made_when_it_is_missing(settings: ClickHouseSettings, client: Client) -> None:
    """A new installation needs no hand."""
    client.command(f"DROP DATABASE {settings.clickhouse_database} SYNC")
    assert applied(settings) == NAMES


def test_two_migrators_at_once_do_no_harm(settings: ClickHouseSettings, client: Client) -> None:
    """Both end well, and each file is recorded once."""
    with ThreadPoolExecutor(4) as pool:
        for outcome in [pool.submit(migrate, settings) for _ in range(4)]:
            outcome.result(60)
    recorded = [name for (name,) in client.query("SELECT name FROM schema_migrations FINAL").result_rows]
    assert sorted(name for name in recorded if name not in OPTIONAL) == NAMES
    check_schema(settings)


def test_one_that_was_killed_between_a_file_and_its_record_is_taken_up(
    settings: ClickHouseSettings, client: Client
) -> None:
    """Statements run again without error or effect."""
    migrate(settings)
    client.command("INSERT INTO balances (account, version) VALUES ('acme', 1)")
    client.command("TRUNCATE TABLE schema_migrations")
    assert applied(settings) == NAMES
    assert client.query("SELECT account FROM balances FINAL").result_rows == [("acme",)]


def test_a_file_that_changed_after_it_was_applied_is_an_error(settings: ClickHouseSettings, tmp_path: Path) -> None:
    """It names the file and what to do."""
    file = tmp_path / "0001_first.sql"
    file.write_text("CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = MergeTree ORDER BY x;")
    assert migrate(settings, tmp_path) == ["0001_first.sql"]
    file.write_text("CREATE TABLE IF NOT EXISTS a (x UInt16) ENGINE = MergeTree ORDER BY x;")
    with pytest.raises(SchemaError, match=r"0001_first\.sql.*restore the file"):
        migrate(settings, tmp_path)


def test_an_optional_file_is_left_out_without_the_right_to_it_and_tried_again_with_it(
    settings: ClickHouseSettings,
    client: Client,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is told, and keeps no sink from working. An unknown table stands for a right that every test user has."""
    monkeypatch.setattr("sinks.migrate._NO_RIGHT_CODES", frozenset({60}))
    (tmp_path / "0001_first.sql").write_text("SELECT 1;")
    file = tmp_path / "0002_roles.sql"
    file.write_text("-- optional: not everybody may.\nSELECT * FROM not_there;")
    migrate(settings, tmp_path)
    assert "0002_roles.sql is left out" in caplog.text
    check_schema(settings, tmp_path)
    file.write_text(
        "-- optional: everybody may.\nCREATE TABLE ${database}.made (x UInt8) ENGINE = MergeTree ORDER BY x;"
    )
    assert migrate(settings, tmp_path) == ["0002_roles.sql"]
    assert client.command("EXISTS TABLE made") == 1


def test_a_statement_that_fails_names_its_file_and_is_not_recorded(
    settings: ClickHouseSettings, client: Client, tmp_path: Path
) -> None:
    """Those before it stay applied; it is applied once it is right."""
    (tmp_path / "0001_first.sql").write_text("SELECT 1;")
    (tmp_path / "0002_wrong.sql").write_text("CREATE TABLE wrong (x Nonsense) ENGINE = MergeTree ORDER BY x;")
    with pytest.raises(SchemaError, match=r"0002_wrong\.sql failed"):
        migrate(settings, tmp_path)
    assert client.query("SELECT name FROM schema_migrations FINAL").result_rows == [("0001_first.sql",)]
    (tmp_path / "0002_wrong.sql").write_text("SELECT 2;")
    assert migrate(settings, tmp_path) == ["0002_wrong.sql"]


def test_the_worker_refuses_to_start_on_a_missing_or_old_schema(
    settings: ClickHouseSettings,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 1 and the command to run."""
    for field in ("host", "port", "user", "password", "database"):
        monkeypatch.setenv(f"CREDITSTREAM_CLICKHOUSE_{field.upper()}", str(getattr(settings, f"clickhouse_{field}")))
    monkeypatch.setenv("CREDITSTREAM_HTTP_PORT", "0")
    assert main(["worker"]) == 1
    assert (
        f"lacks {len(NAMES)} migrations, from {NAMES[0]} on: run `python -m sinks migrate`" in capsys.readouterr().err
    )
    migrate(settings)
    last = {"last": REQUIRED[-1].number}
    client.command("DELETE FROM schema_migrations WHERE number = {last:UInt32}", parameters=last)
    assert main(["worker"]) == 1
    assert f"lacks 1 migrations, from {NAMES[-1]} on" in capsys.readouterr().err


def test_a_missing_database_is_a_missing_schema(settings: ClickHouseSettings) -> None:
    """And no reason to wait for ClickHouse."""
    elsewhere = msgspec.structs.replace(settings, clickhouse_database="not_there")
    with pytest.raises(SchemaError, match="'not_there' lacks"):
        check_schema(elsewhere)


def test_a_wrong_password_is_told_without_the_password(settings: ClickHouseSettings) -> None:
    """The error is ClickHouse's; secrets stay out of it."""
    wrong = msgspec.structs.replace(settings, clickhouse_password="hunter2secret")
    with pytest.raises(ClickHouseAwayError) as caught:
        migrate(wrong)
    assert "AUTHENTICATION_FAILED" in str(caught.value)
    assert "hunter2secret" not in str(caught.value)


def test_the_columns_that_the_sink_writes_are_those_of_the_tables(settings: ClickHouseSettings, client: Client) -> None:
    """Names and types agree, so that no insert converts; `deleted` is left to its default."""
    migrate(settings)
    for table in TABLES:
        columns = client.query(f"DESCRIBE TABLE {table.name}").result_rows
        assert {name: kind for name, kind, *_ in columns if name != "deleted"} == table.columns


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_every_table_keeps_the_newest_version_of_a_row_and_can_forget_it(
    settings: ClickHouseSettings, client: Client, table: str
) -> None:
    """Whatever the order of arrival; a row with deleted = 1 ends it."""
    migrate(settings)
    for version in (2, 3, 1):
        client.insert(table, [[version]], column_names=["version"])
    newest = "SELECT version FROM {table:Identifier} FINAL"
    assert client.query(newest, parameters={"table": table}).result_rows == [(3,)]
    client.insert(table, [[4, 1]], column_names=["version", "deleted"])
    assert client.query(newest, parameters={"table": table}).result_rows == []


def test_partitions_are_functions_of_the_sorting_key(settings: ClickHouseSettings, client: Client) -> None:
    """Otherwise two versions of a row could be kept in two partitions for ever."""
    migrate(settings)
    rows = client.query(
        "SELECT name, partition_key, sorting_key FROM system.tables"
        " WHERE database = currentDatabase() AND engine = 'ReplacingMergeTree'"
    ).result_rows
    keys = {name: (partition, sorting) for name, partition, sorting in rows if name != "schema_migrations"}
    assert keys == {
        "balances": ("", "account"),
        "lots": ("", "account, lot"),
        "ledger": ("", "account, sequence"),
        "alerts": ("toYYYYMM(at)", "account, at, id"),
        "refill_requests": ("", "account, number, attempt"),
        "bills": ("", "account, period_end, line"),
        "rollups": ("toYYYYMM(hour)", "account, hour, channel, agent, node, segment"),
        "conversations": ("toYYYYMM(day)", "account, day, agent, conversation"),
        "charges": ("toYYYYMM(occurred_at)", "account, occurred_at, source, id"),
        "dead_letters": ("", "topic, partition, offset, reason, value_sha256"),
        "reconciliations": ("toYYYYMM(finished_at)", "partition, finished_at, run"),
        "tenant_readers": ("", "user_name, account"),
    }


def test_the_folder_holds_nothing_but_migrations() -> None:
    """A file that is not applied would be a surprise."""
    assert sorted(path.name for path in MIGRATIONS.iterdir()) == sorted([*NAMES, *OPTIONAL])

"""Brings ClickHouse's schema up to date: plain SQL files, applied in order, each recorded with its checksum.

Every statement may run twice (IF NOT EXISTS, OR REPLACE): two processes that migrate at once, or one that is
killed between a file and its record, do no harm.
"""

import hashlib
import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from sinks import crash_points
from sinks.clickhouse import connect
from sinks.refusals import ClickHouseAwayError, judged
from sinks.settings import ClickHouseSettings
from sinks.statements import split_statements

MIGRATIONS = Path(__file__).parent.parent / "deploy" / "clickhouse" / "migrations"

logger = logging.getLogger(__name__)

_OPTIONAL = "-- optional:"
_LEFT_OUT = "%s is left out: this user may not do it. To have it, run `python -m sinks migrate` as one who may (%s)"
# ACCESS_STORAGE_READONLY, ACCESS_DENIED, ACCESS_STORAGE_FOR_INSERTION_NOT_FOUND
_NO_RIGHT_CODES = frozenset({495, 497, 514})
_FILE_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
# The checksum is part of the key: two processes that apply different files under one number leave two rows.
_RECORDS = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number     UInt32,
    checksum   String,
    name       String,
    applied_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (number, checksum)
"""


class SchemaError(Exception):
    """The schema is not what this version needs; the text says what to do."""


class Migration(NamedTuple):
    """One file; an optional one is left out where the user lacks the right, and tried again by the next `migrate`.

    Statements may name the database by `${database}`, where ClickHouse has no current one.
    """

    number: int
    name: str
    checksum: str
    statements: list[str]
    optional: bool


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations of a folder in order; SchemaError if names or numbers are not as they must be."""
    migrations = [_read(path) for path in sorted(folder.glob("*.sql"))]
    if [migration.number for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise SchemaError(f"migrations in {folder} are not numbered 0001, 0002, … without gaps and repeats")
    return migrations


def migrate(settings: ClickHouseSettings, folder: Path = MIGRATIONS) -> list[str]:
    """Applies what is missing and returns those names; SchemaError or ClickHouseAwayError if it cannot."""
    migrations = read_migrations(folder)
    try:
        server = connect(settings, database=False)
        # The name was checked when the settings were loaded: it needs no quoting.
        server.command(f"CREATE DATABASE IF NOT EXISTS {settings.clickhouse_database}")
        server.close()
        client = connect(settings)
        client.command(_RECORDS)
        crash_points.reach("migrate.begun")
        missing = _missing(client, migrations)
        applied = [migration.name for migration in missing if _apply(client, migration, settings.clickhouse_database)]
        _missing(client, migrations)
    except ClickHouseError as error:
        raise judged(error) from error
    return applied


def check_schema(settings: ClickHouseSettings, folder: Path = MIGRATIONS) -> None:
    """SchemaError if `migrate` has not applied everything that this version needs."""
    try:
        client = connect(settings)
        recorded = client.command("EXISTS TABLE schema_migrations")
        missing = _missing(client, read_migrations(folder)) if recorded else read_migrations(folder)
        client.close()
    except ClickHouseError as error:
        raise judged(error) from error
    except ClickHouseAwayError as error:
        if "UNKNOWN_DATABASE" not in str(error):
            raise
        missing = read_migrations(folder)
    missing = [migration for migration in missing if not migration.optional]
    if missing:
        raise SchemaError(
            f"ClickHouse database {settings.clickhouse_database!r} lacks {len(missing)} migrations, "
            f"from {missing[0].name} on: run `python -m sinks migrate`."
        )


def _read(path: Path) -> Migration:
    matched = _FILE_NAME.match(path.name)
    if matched is None:
        raise SchemaError(f"{path} is not named like 0001_balances.sql: rename it")
    text = path.read_text(encoding="utf-8")
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return Migration(int(matched[1]), path.name, checksum, split_statements(text), text.startswith(_OPTIONAL))


def _missing(client: Client, migrations: list[Migration]) -> list[Migration]:
    recorded: dict[int, set[str]] = {}
    for number, checksum in client.query("SELECT number, checksum FROM schema_migrations FINAL").result_rows:
        recorded.setdefault(number, set()).add(checksum)
    changed = [
        migration.name
        for migration in migrations
        if recorded.get(migration.number, {migration.checksum}) != {migration.checksum}
    ]
    if changed:
        raise SchemaError(
            f"applied as something else than the file says: {', '.join(changed)}. "
            "An applied migration never changes: restore the file, and put the change into a new one."
        )
    return [migration for migration in migrations if migration.number not in recorded]


def _apply(client: Client, migration: Migration, database: str) -> bool:
    """Whether it was applied: an optional one is not where the user lacks the right."""
    for statement in migration.statements:
        try:
            client.command(statement.replace("${database}", database))
        except ClickHouseError as error:
            if migration.optional and isinstance(error, DatabaseError) and error.code in _NO_RIGHT_CODES:
                logger.warning(_LEFT_OUT, migration.name, str(error).partition("\n")[0])
                return False
            raise SchemaError(f"{migration.name} failed: {error}. Correct the cause and run it again.") from error
        crash_points.reach("migrate.stated")
    client.insert(
        "schema_migrations",
        [[migration.number, migration.checksum, migration.name, datetime.now(UTC)]],
        column_names=["number", "checksum", "name", "applied_at"],
    )
    crash_points.reach("migrate.recorded")
    return True

"""The sink dies at each of its steps, and the migration between its own."""

import os
import subprocess
import sys

from tests.chaos.crew import DATABASE, KILLED
from tests.chaos.errors import ChaosError
from tests.chaos.fault import Fault
from tests.chaos.stage import Stage
from tests.integration.system import clickhouse_settings
from tests.processes import ROOT

_STEPS = {
    "polled:60": "records are polled",
    "buffered:4": "a batch is handed over",
    "table_inserted:6": "one table of a batch is inserted, and the next is not",
    "inserted:4": "a batch is inserted and not committed",
    "committed:4": "a batch is committed",
}
_MIGRATION_STEPS = ("begun:1", "stated:1", "recorded:1", "stated:3", "recorded:2")
_MIGRATE_SECONDS = 60
_DATABASE = "chaos_migrated"


def _at(step: str, about: str) -> Fault:
    def breaks(stage: Stage) -> None:
        stage.sleep(2)
        (sink,) = stage.sinks
        sink.running.kill()
        sink.running.restart(crash_point=f"sink.{step}")
        stage.wait_ended(sink, KILLED)
        stage.over()

    name = step.partition(":")[0].replace("_", "-")
    return Fault(name=f"crash-sink-{name}", about=f"kill -9 of the sink when {about}", breaks=breaks, sink=True)


def _two_sinks(stage: Stage) -> None:
    """Two sinks share the partitions; each is killed in turn, and stopped for longer than it may be."""
    stage.start_sink()
    for sink in stage.sinks:
        stage.sleep(3)
        stage.kill(sink)
    stage.over()


def _migrations(stage: Stage) -> None:
    """Migrations killed between their steps go on, in another database, as if nothing had been."""
    for step in _MIGRATION_STEPS:
        code = _migrate(stage, f"migrate.{step}")
        if code != KILLED:
            raise ChaosError(f"the migration ended with {code} instead of dying at {step}")
        stage.prove(f"the migration died at {step}")
    if _migrate(stage, "") or _migrate(stage, ""):
        raise ChaosError("the migration does not go on after it was killed")
    made, wanted = (_schema(stage, database) for database in (_DATABASE, DATABASE))
    if made != wanted:
        raise ChaosError(f"a migration that was killed makes another schema: {set(made) ^ set(wanted)}")
    stage.over()


def _migrate(stage: Stage, crash_point: str) -> int:
    settings = clickhouse_settings(stage.clickhouse_server(), _DATABASE)
    environ = {f"CREDITSTREAM_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "sinks", "migrate"],
        cwd=ROOT,
        env={**os.environ, **environ, "CREDITSTREAM_CRASH_POINT": crash_point},
        capture_output=True,
        timeout=_MIGRATE_SECONDS,
        check=False,
    ).returncode


def _schema(stage: Stage, database: str) -> list[tuple[str, str]]:
    with stage.clickhouse_client() as client:
        rows = client.query(
            "SELECT name, create_table_query FROM system.tables WHERE database = {database:String} ORDER BY name",
            parameters={"database": database},
        ).result_rows
    return [(name, statement.replace(f"{database}.", "")) for name, statement in rows]


FAULTS = [
    *(_at(step, about) for step, about in _STEPS.items()),
    Fault(name="two-sinks", about="two sinks killed -9 in turn", breaks=_two_sinks, sink=True),
    Fault(
        name="crash-migrate",
        about="kill -9 of a migration at each of its steps, then once more to its end",
        breaks=_migrations,
        sink=True,
    ),
]

"""How far ClickHouse was compared with the inputs, and what the last run found: read from its table, for /metrics."""

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple, Self

from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.clickhouse import connect
from sinks.refusals import judged
from sinks.settings import ClickHouseSettings

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 30.0
_CLOSE_SECONDS = 10.0
# Runs that compared one account say nothing of the others.
_LAST = """
SELECT partition, toUnixTimestamp64Milli(max(compared_until)), toUnixTimestamp64Milli(max(finished_at)),
    argMax(drift, (finished_at, run))
FROM reconciliations FINAL
WHERE account = ''
GROUP BY partition"""


class LastRun(NamedTuple):
    """The append time up to which a partition was compared, when that was, and how many rows differed, by kind."""

    until_ms: int
    finished_at_ms: int
    drift: dict[str, int]


def last_runs(client: Client) -> dict[int, LastRun]:
    """The last run by partition."""
    try:
        rows = client.query(_LAST).result_rows
    except ClickHouseError as error:
        raise judged(error) from error
    return {partition: LastRun(until_ms, at_ms, dict(drift)) for partition, until_ms, at_ms, drift in rows}


class ReconciledWatch:
    """Asks ClickHouse every half a minute, in a thread of its own: `tell` is given what it answers.

    While ClickHouse is away, or lets the sink not read the table, the figures stay as they were.
    """

    def __init__(self, settings: ClickHouseSettings, tell: Callable[[dict[int, LastRun]], None]) -> None:
        self._settings = settings
        self._tell = tell
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciled", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        said = ""
        while not self._closing.is_set():
            try:
                client = connect(self._settings)
                try:
                    self._tell(last_runs(client))
                finally:
                    client.close()
            except Exception as error:
                if str(error) != said:
                    said = str(error)
                    logger.info("what reconcile found cannot be read: %s", error)
            self._closing.wait(_EVERY_SECONDS)

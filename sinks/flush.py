"""Writes one batch in a thread, for as long as it takes, while the poll loop goes on."""

import logging
import threading
import time
from enum import Enum, auto

from schemas.dead_letter import DeadLetter
from sinks import crash_points, dead_letters
from sinks.backoff import Backoff
from sinks.batch import Batch, TableRows
from sinks.clickhouse import Writer
from sinks.dead_letters import DeadLettersAwayError, Publisher
from sinks.isolation import Isolation, RefusedRow
from sinks.metrics import SinkMetrics
from sinks.refusals import ClickHouseAwayError, UnclearError
from sinks.restarts import RestartWatch

logger = logging.getLogger(__name__)

_TRIES_BEFORE_DOUBT = 5


class Outcome(Enum):
    """How a flush ended."""

    WRITTEN = auto()
    RESTARTED = auto()
    """ClickHouse started anew: nothing was written, what was written lately may be gone."""
    UNCLEAR = auto()
    """ClickHouse answers, but takes no row, and does not say that it is the rows."""
    STOPPED = auto()
    FAILED = auto()
    """A mistake in the sink itself; `error` has it."""


class Flush:
    """One batch on its way into ClickHouse; `outcome` is None until it ended."""

    def __init__(
        self,
        batch: Batch,
        *,
        writer: Writer,
        publisher: Publisher,
        watch: RestartWatch,
        metrics: SinkMetrics,
        backoff: Backoff,
        own_dead_letters: str,
    ) -> None:
        self.batch = batch
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        self._writer = writer
        self._publisher = publisher
        self._watch = watch
        self._metrics = metrics
        self._own_dead_letters = own_dead_letters
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._backoff = backoff

    def start(self) -> None:
        """Begins; the thread is a daemon, as one that waits for an answer must not keep the process alive."""
        threading.Thread(target=self._run, name="flush", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, within this time."""
        return self._ended.wait(seconds)

    def stop(self) -> None:
        """No further tries."""
        self._stop.set()

    def _run(self) -> None:
        try:
            self.outcome = self._until_it_works()
        except Exception as error:
            self.error = error
            self.outcome = Outcome.FAILED
        finally:
            self._ended.set()

    def _until_it_works(self) -> Outcome:
        unclear = 0
        while not self._stop.is_set():
            try:
                return self._write(doubtful=unclear >= _TRIES_BEFORE_DOUBT)
            except (ClickHouseAwayError, DeadLettersAwayError) as error:
                problem: Exception = error
            except UnclearError as error:
                problem = error
                unclear += 1
                if unclear > _TRIES_BEFORE_DOUBT:
                    logger.exception("ClickHouse takes none of %d rows: correct what it says", self.batch.rows)
                    return Outcome.UNCLEAR
            self._metrics.write_failed()
            wait_seconds = self._backoff.next_wait_seconds()
            logger.warning("not written, next try in %.1f s: %s", wait_seconds, problem)
            self._stop.wait(wait_seconds)
        return Outcome.STOPPED

    def _write(self, *, doubtful: bool) -> Outcome:
        server = self._writer.server_start()
        self._metrics.reached_clickhouse()
        if self._watch.restarted(server):
            return Outcome.RESTARTED
        letters = list(self.batch.dead_letters)
        for rows in self.batch.tables.values():
            letters += self._letters(rows, self._write_table(rows, doubtful=doubtful))
            crash_points.reach("sink.table_inserted")
        if letters:
            self._publisher.publish(letters)
            self._metrics.dead_lettered(letters)
            crash_points.reach("sink.dead_lettered")
        self._metrics.written()
        return Outcome.WRITTEN

    def _write_table(self, rows: TableRows, *, doubtful: bool) -> list[RefusedRow]:
        started = time.monotonic()
        refused = Isolation(self._writer, rows, doubtful=doubtful).write()
        self._metrics.inserted(rows.table.name, len(rows) - len(refused), time.monotonic() - started)
        return refused

    def _letters(self, rows: TableRows, refused: list[RefusedRow]) -> list[DeadLetter]:
        letters = [dead_letters.refused(rows, refusal, time.time_ns() // 1_000_000) for refusal in refused]
        for letter in letters:
            logger.error("refused: %s, from %s/%d@%d", letter.detail, letter.topic, letter.partition, letter.offset)
        # The sink reads its own dead letters too: one that is refused again would go round for ever.
        return [letter for letter in letters if letter.topic != self._own_dead_letters]

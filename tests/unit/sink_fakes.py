"""A Kafka and a ClickHouse of plain lists, for the sink's unit tests."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from schemas.account import AccountRow
from schemas.dead_letter import DeadLetter
from schemas.identifiers import Account
from sinks.backoff import Backoff
from sinks.clickhouse import ServerStart
from sinks.dead_letters import DeadLettersAwayError
from sinks.intake import CommitFailedError, Committed, End, Listener, SeekFailedError
from sinks.metrics import SinkMetrics
from sinks.records import Place, Record
from sinks.refusals import ClickHouseAwayError, RowsRefusedError, UnclearError
from sinks.settings import SinkSettings
from sinks.tables.table import Columns, Table
from sinks.worker import SinkWorker
from tests.ledger_rows import packed

Row = tuple[object, ...]

BALANCES = Place("creditstream-balances-changelog", 0)
CHARGES = Place("credits.charges", 0)


class FakeWriter:
    """ClickHouse: `tables` has the rows; accounts in `refused` or `unclear` cannot be written."""

    def __init__(self) -> None:
        self.tables: dict[str, list[Row]] = {}
        self.inserts = 0
        self.away = False
        self.all_unclear = False
        self.refused: set[str] = set()
        self.unclear: set[str] = set()
        self.server = ServerStart("server", 1_000, 1_000_000)

    def insert(self, table: Table[Any], columns: Columns) -> None:
        self.inserts += 1
        if self.away:
            raise ClickHouseAwayError("connection refused")
        accounts = set(columns[list(table.columns).index("account")])
        if accounts & self.refused:
            raise RowsRefusedError("code 691: unknown element")
        if self.all_unclear or accounts & self.unclear:
            raise UnclearError("code 12345: something new")
        self.tables.setdefault(table.name, []).extend(zip(*columns, strict=True))

    def server_start(self) -> ServerStart:
        if self.away:
            raise ClickHouseAwayError("connection refused")
        return self.server

    def accounts(self, table: str = "balances") -> list[object]:
        """The first column of a table, which is the account."""
        return [row[0] for row in self.tables.get(table, [])]


class FakePublisher:
    """Kafka's side of dead letters."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self.away = False

    def publish(self, letters: Sequence[DeadLetter]) -> None:
        if self.away:
            raise DeadLettersAwayError("no broker")
        self.letters.extend(letters)


class FakeIntake:
    """Kafka: `give` hands records to the next poll, `during_poll` runs something inside one."""

    def __init__(self) -> None:
        self.listener: Listener | None = None
        self.commits: list[dict[Place, tuple[int, str]]] = []
        self.seeks: list[dict[Place, int]] = []
        self.starts: dict[Place, int] = {}
        self.polls = 0
        self.paused = False
        self.closed = False
        self.commit_fails = False
        self.seeks_to_fail = 0
        self._actions: queue.Queue[Callable[[], list[Record | End]]] = queue.Queue()

    def give(self, *records: Record | End) -> None:
        self._actions.put(lambda: list(records))

    def assign(self, committed: Mapping[Place, Committed]) -> None:
        def act() -> list[Record | End]:
            assert self.listener is not None
            self.starts.update(self.listener.assigned(committed))
            return []

        self._actions.put(act)

    def revoke(self, *places: Place, then: Callable[[], None] = lambda: None) -> None:
        def act() -> list[Record | End]:
            assert self.listener is not None
            self.listener.revoked(places)
            then()
            return []

        self._actions.put(act)

    def poll(self, count: int, seconds: float) -> list[Record | End]:  # noqa: ARG002 - as Intake has it
        self.polls += 1
        if self.paused:
            time.sleep(min(seconds, 0.005))
            return []
        try:
            return self._actions.get(timeout=min(seconds, 0.005))()
        except queue.Empty:
            return []

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def commit(self, offsets: Mapping[Place, tuple[int, str]]) -> None:
        if self.commit_fails:
            raise CommitFailedError("a rebalance is in progress")
        self.commits.append(dict(offsets))

    def committed(self, place: Place) -> int | None:
        """The offset that was committed last."""
        offsets = [commit[place][0] for commit in self.commits if place in commit]
        return offsets[-1] if offsets else None

    def seek(self, offsets: Mapping[Place, int]) -> None:
        if self.seeks_to_fail:
            self.seeks_to_fail -= 1
            raise SeekFailedError("erroneous state")
        self.seeks.append(dict(offsets))

    def close(self) -> None:
        self.closed = True


class Rig:
    """A sink on fakes, running in a thread."""

    def __init__(self, **settings: Any) -> None:
        self.writer = FakeWriter()
        self.publisher = FakePublisher()
        self.intake = FakeIntake()
        self.metrics = SinkMetrics()
        self.error: BaseException | None = None
        self.worker = SinkWorker(
            SinkSettings(sink_flush_interval_ms=10, **settings),
            open_intake=self._open,
            writer=self.writer,
            publisher=self.publisher,
            metrics=self.metrics,
            make_backoff=lambda: Backoff(lambda _low, _high: 0.001),
        )

    def _open(self, _topics: Iterable[str], listener: Listener) -> FakeIntake:
        self.intake.listener = listener
        return self.intake

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs the sink; an error of it is kept in `error`."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.worker.stop()
            thread.join(30)
            assert not thread.is_alive()

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:
            self.error = error

    def value(self, name: str, **labels: str) -> float:
        """A metric's value now, 0 if it was never set."""
        return self.metrics.registry.get_sample_value(f"creditstream_sink_{name}", labels) or 0


def eventually(condition: Callable[[], object], what: str) -> None:
    """Waits for a condition that must come true; the bound is only there to end a broken test."""
    for _ in range(15_000):
        if condition():
            return
        time.sleep(0.002)
    raise AssertionError(f"never came true: {what}")


def balance_record(account: str, offset: int, *, version: int = 1, place: Place = BALANCES) -> Record:
    """A row of the balances' changelog."""
    row = AccountRow(Account(account), granted=500_000_000, held=500_000_000, version=version)
    return Record(place, offset, 1_700_000_000_000 + offset, account.encode(), packed(row))


def begin(offset: int = 0) -> Committed:
    """A partition that goes on at an offset, without a note."""
    return Committed(offset, None, 0)

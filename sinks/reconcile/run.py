"""One run: every partition by itself, so that memory is that of one, each at a point of its own."""

import sys
import time
import uuid
from collections.abc import Iterable

import msgspec
from clickhouse_connect.driver import Client
from msgspec import Struct

from schemas.partitioning import partition_of
from schemas.progress import BookedProgress
from schemas.topics import TopicNames
from sinks.reconcile.books import Books
from sinks.reconcile.drift import Drift
from sinks.reconcile.events import EventAudit
from sinks.reconcile.ledger import compare_ledger, compare_payments
from sinks.reconcile.log import Log
from sinks.reconcile.plan import Asked, Plan, Planner
from sinks.reconcile.point import await_sink, read_cards, read_progress
from sinks.reconcile.prices import Prices
from sinks.reconcile.settings import ReconcileSettings
from sinks.reconcile.shown import ClickHouseView
from sinks.reconcile.totals import (
    Compared,
    TableState,
    compare_rollups,
    compare_table_by_differences,
    compare_table_whole,
)

_SECONDS_BETWEEN_LINES = 2.0
_RECORDS_PER_LOOK = 5_000
NOT_COMPARED = Compared(0, 0)


class PartitionResult(Struct, frozen=True, kw_only=True):
    """What was compared of one partition: rows of each kind, append times in milliseconds, offsets of usage.events.

    `changed_*` counts rows that a later checkpoint wrote meanwhile, which the next run compares.
    `balances_by` is inputs, differences or nothing, `ledgers` counts accounts whose entries were summed.
    """

    partition: int
    account: str = ""
    version: int = 0
    from_ms: int = 0
    until_ms: int = 0
    first_offset: int = 0
    next_offset: int = 0
    records: int = 0
    charges: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    rollups: int = 0
    changed_rollups: int = 0
    balances: int = 0
    changed_balances: int = 0
    balances_by: str = "nothing"
    ledgers: int = 0
    drift: dict[str, int] = {}
    notes: tuple[str, ...] = ()


class Reconciliation:
    """Everything that a run needs; `results` and `drift` are what it found."""

    def __init__(
        self,
        settings: ReconcileSettings,
        client: Client,
        asked: Asked,
        *,
        shown: int,
        wait_seconds: float,
        quiet: bool = False,
    ) -> None:
        self.run_id = uuid.uuid4().hex
        self.results: list[PartitionResult] = []
        self.drift = Drift(shown)
        self._settings = settings
        self._topics: TopicNames = settings.topics
        self._client = client
        self._asked = asked
        self._wait_seconds = wait_seconds
        self._quiet = quiet

    def partitions(self) -> Iterable[PartitionResult]:
        """Compares one partition after the other, each result as it comes."""
        log = Log(self._settings)
        try:
            count = log.partitions(self._topics.usage_events)
            prices = Prices(read_cards(log, self._topics.rate_cards))
            account = self._asked.account
            wanted = [partition_of(account.encode(), count)] if account else range(count)
            for partition in wanted:
                before = self.drift.counts
                result = self._compare(log, partition, count, prices)
                found = {kind: total - before[kind] for kind, total in self.drift.counts.items()}
                self.results.append(msgspec.structs.replace(result, drift=found))
                yield self.results[-1]
        finally:
            log.close()

    def _compare(self, log: Log, partition: int, partitions: int, prices: Prices) -> PartitionResult:
        account = self._asked.account
        progress = read_progress(log, self._topics.progress, partition)
        if progress is None:
            return PartitionResult(
                partition=partition, account=account, notes=(f"partition {partition}: never booked",)
            )
        await_sink(log, self._topics, partition, self._wait_seconds, self._say)
        view = ClickHouseView(self._client, partition, partitions, account)
        plan = Planner(log, self._topics, self._settings, self._asked).plan(partition, progress, view)
        table = TableState(progress.version, view.balances(), account)
        changelog = self._topics.balances_changelog
        table.read(log.records(changelog, partition, *log.bounds(changelog, partition)))
        shown_rollups = view.rollups(plan.first_hour, plan.end_hour)
        # Asked after ClickHouse: no row of it can be of a later checkpoint.
        newest = read_progress(log, self._topics.progress, partition) or progress
        books = Books(partition, partitions, prices, self._settings)
        audit = EventAudit(plan, books, view, self.drift, account)
        audit.run(log, self._teller(plan))
        recomputed = audit.recomputed
        between = (progress.version, newest.version)
        entries = view.entries(progress.version)
        corrected = {name for name, sums in entries.items() if sums.refunded or sums.repriced}
        rollups = compare_rollups(recomputed.rollups, shown_rollups, between, corrected, partition, self.drift)
        balances = table.compare(partition, self.drift)
        ledger = compare_ledger(table, entries, partition, self.drift)
        compare_payments(view, plan.usage, partition, self.drift)
        balances_by = "nothing"
        if plan.reaches_progress and plan.is_whole:
            balances_by = "inputs"
            compare_table_whole(table, books.accounts, entries, partition, self.drift)
        elif plan.reaches_progress:
            balances_by = "differences"
            charged_before = view.charged_before(plan.usage.since_ms, plan.usage.compared)
            compare_table_by_differences(table, charged_before, recomputed, entries, partition, self.drift)
        return PartitionResult(
            partition=partition,
            account=account,
            version=progress.version,
            from_ms=plan.compared_from_ms,
            until_ms=self._until_ms(progress),
            first_offset=plan.usage.compared,
            next_offset=plan.usage.end,
            records=recomputed.compared_records,
            charges=recomputed.charges,
            duplicates=recomputed.duplicates,
            dead_letters=recomputed.dead_letters,
            rollups=rollups.rows,
            changed_rollups=rollups.changed,
            balances=balances.rows,
            changed_balances=balances.changed,
            balances_by=balances_by,
            ledgers=ledger.rows,
            notes=(*plan.notes, *_said_of_balances(plan)),
        )

    def _until_ms(self, progress: BookedProgress) -> int:
        until_ms = self._asked.until_ms
        return progress.clock_ms if until_ms is None else min(until_ms, progress.clock_ms)

    def _say(self, text: str) -> None:
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def _teller(self, plan: Plan) -> "_Teller":
        usage, commands = plan.usage, plan.commands
        return _Teller(plan.partition, usage.stop - usage.first + commands.stop - commands.first, quiet=self._quiet)


class _Teller:
    """A line on stderr every two seconds; offsets are a few more than records."""

    def __init__(self, partition: int, offsets: int, *, quiet: bool) -> None:
        self._partition = partition
        self._offsets = offsets
        self._quiet = quiet
        self._began = self._last = time.monotonic()

    def __call__(self, records: int) -> None:
        if self._quiet or records % _RECORDS_PER_LOOK:
            return
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            rate = records / (now - self._began)
            told = f"partition {self._partition}: {records:,} of {self._offsets:,} records, {rate:,.0f}/s"
            print(told, file=sys.stderr, flush=True)


def _said_of_balances(plan: Plan) -> tuple[str, ...]:
    said = ""
    if not plan.reaches_progress:
        said = "the range ends before what is booked: balances in ClickHouse are compared with the worker's table alone"
    elif not plan.is_whole:
        said = (
            "charged credits, events and messages of balances are compared with what ClickHouse charged before the "
            "range and what was recomputed in it; all other totals with the ledger's entries"
        )
    return (f"partition {plan.partition}: {said}",) if said else ()

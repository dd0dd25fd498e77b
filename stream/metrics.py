"""The worker's metrics: every name once, with its type, labels and meaning; read when they are scraped.

Balances are collected from the tables at scrape time: the lowest few, the watched ones, a histogram and totals. A gauge
for each of 100,000 accounts would take 571 ms and 139 MB a scrape; this takes 13 ms and 12 kB.
"""

import heapq
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from schemas.credits import MICROCREDITS_PER_CREDIT
from stream.engine.lag import lags
from stream.pipeline import Pipeline

if TYPE_CHECKING:
    from stream.app import Worker

LOWEST_ACCOUNTS = 20
MOST_WATCHED_ACCOUNTS = 100
CHECKPOINT_BUCKETS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BALANCE_BUCKETS_CREDITS = (
    -1_000.0,
    -100.0,
    0.0,
    10.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1_000.0,
    10_000.0,
    100_000.0,
)


class Described(NamedTuple):
    """A metric as it is documented."""

    type: str
    labels: tuple[str, ...]
    meaning: str


METRICS: dict[str, Described] = {
    "creditstream_events": Described(
        "counter",
        ("outcome",),
        "Records by outcome: booked, duplicate, command, duplicate_command, or why rejected.",
    ),
    "creditstream_checkpoint_seconds": Described("histogram", (), "From a checkpoint's first record to its commit."),
    "creditstream_checkpoint_age_seconds": Described(
        "gauge", ("partition",), "Time since the partition's last committed checkpoint."
    ),
    "creditstream_lag_events": Described(
        "gauge", ("partition", "topic"), "Records before the last stable offset that no checkpoint holds."
    ),
    "creditstream_lag_seconds": Described(
        "gauge", ("partition",), "How far the ledger's clock is behind while records wait, else 0."
    ),
    "creditstream_unstable_events": Described(
        "gauge", ("partition", "topic"), "Records held back by an open transaction of a producer upstream."
    ),
    "creditstream_partition_phase": Described(
        "gauge", ("partition", "phase"), "1 for the phase that the partition is in."
    ),
    "creditstream_restored_records": Described(
        "gauge", ("partition",), "Records read by the partition's last take-over, rising while it goes on."
    ),
    "creditstream_accounts": Described("gauge", (), "Accounts in memory."),
    "creditstream_remaining_credits": Described(
        "gauge", (), "Sum of what all accounts have left, below zero included."
    ),
    "creditstream_overage_accounts": Described("gauge", (), "Accounts below zero."),
    "creditstream_balance_credits": Described(
        "gauge", ("account", "why"), "What an account has left: the lowest ones and those watched."
    ),
    "creditstream_balance_distribution_credits": Described("histogram", (), "Accounts by what they have left."),
    "creditstream_ledger_drift": Described(
        "counter", (), "Equations of the ledger that did not hold for an account that changed; the log has each."
    ),
    "creditstream_remembered_ids": Described("gauge", (), "Event ids in the dedup windows."),
    "creditstream_dedup_memory_bytes": Described("gauge", (), "Memory of the dedup windows."),
}


class Metrics(Collector):
    """Reads the worker when Prometheus scrapes it."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._checkpoint_counts = [0] * (len(CHECKPOINT_BUCKETS_SECONDS) + 1)
        self._checkpoint_seconds = 0.0

    def on_checkpoint(self, _partition: int, seconds: float) -> None:
        """A checkpoint was committed after that time."""
        self._checkpoint_seconds += seconds
        for place, bound in enumerate((*CHECKPOINT_BUCKETS_SECONDS, float("inf"))):
            if seconds <= bound:
                self._checkpoint_counts[place] += 1
                return

    def collect(self) -> Iterator[Metric]:
        """Every metric of the list, in its order."""
        yield self._outcomes()
        yield self._checkpoints()
        yield from self._partitions()
        yield from self._balances()

    def _outcomes(self) -> Metric:
        family = _counter("creditstream_events")
        for outcome, count in sorted(self._worker.outcomes.items()):
            family.add_metric([str(outcome)], count)
        return family

    def _checkpoints(self) -> Metric:
        name = "creditstream_checkpoint_seconds"
        family = HistogramMetricFamily(name, METRICS[name].meaning)
        family.add_metric(
            [], _cumulative(CHECKPOINT_BUCKETS_SECONDS, self._checkpoint_counts), self._checkpoint_seconds
        )
        return family

    def _partitions(self) -> Iterator[Metric]:
        ages = _gauge("creditstream_checkpoint_age_seconds")
        behind_events = _gauge("creditstream_lag_events")
        behind = _gauge("creditstream_lag_seconds")
        unstable = _gauge("creditstream_unstable_events")
        phases = _gauge("creditstream_partition_phase")
        restored = _gauge("creditstream_restored_records")
        for number, holding in sorted(self._worker.owner.holdings.items()):
            label = str(number)
            phases.add_metric([label, holding.phase.value], 1)
            restored.add_metric([label], holding.restored_records)
            if holding.partition is None:
                continue
            ages.add_metric([label], time.monotonic() - holding.partition.last_checkpoint_at)
            waiting = 0
            for lag in lags(holding, self._worker.owner.reader):
                behind_events.add_metric([label, lag.topic], lag.waiting)
                unstable.add_metric([label, lag.topic], lag.unstable)
                waiting += lag.waiting
            clock_ms = holding.partition.clock_ms
            behind.add_metric([label], max(0.0, time.time() - clock_ms / 1_000) if waiting and clock_ms else 0.0)
        yield from (ages, behind_events, behind, unstable, phases, restored)

    def _balances(self) -> Iterator[Metric]:
        pipelines = self._worker.pipelines()
        remaining = [each for pipeline in pipelines for each in pipeline.ledger.books.remaining()]
        yield _single("creditstream_accounts", len(remaining))
        yield _single("creditstream_remaining_credits", sum(left for left, _ in remaining) / MICROCREDITS_PER_CREDIT)
        yield _single("creditstream_overage_accounts", sum(left < 0 for left, _ in remaining))
        yield self._chosen_balances(pipelines, remaining)
        yield _distribution([left for left, _ in remaining])
        drifted = _counter("creditstream_ledger_drift")
        drifted.add_metric([], sum(each.drifted for each in pipelines))
        yield drifted
        yield _single("creditstream_remembered_ids", sum(each.dedup.remembered for each in pipelines))
        yield _single("creditstream_dedup_memory_bytes", sum(each.dedup.memory_bytes for each in pipelines))

    def _chosen_balances(self, pipelines: list[Pipeline], remaining: Sequence[tuple[int, str]]) -> Metric:
        family = _gauge("creditstream_balance_credits")
        for left, account in heapq.nsmallest(LOWEST_ACCOUNTS, remaining):
            family.add_metric([account, "lowest"], left / MICROCREDITS_PER_CREDIT)
        for account in self._worker.watched_accounts:
            for pipeline in pipelines:
                book = pipeline.ledger.book(account)
                if book is not None:
                    family.add_metric([account, "watched"], book.row.remaining / MICROCREDITS_PER_CREDIT)
        return family


def _distribution(left: list[int]) -> Metric:
    name = "creditstream_balance_distribution_credits"
    counts = [0] * (len(BALANCE_BUCKETS_CREDITS) + 1)
    bounds = [bound * MICROCREDITS_PER_CREDIT for bound in BALANCE_BUCKETS_CREDITS]
    for amount in left:
        counts[bisect_left(bounds, amount)] += 1
    family = HistogramMetricFamily(name, METRICS[name].meaning)
    family.add_metric([], _cumulative(BALANCE_BUCKETS_CREDITS, counts), sum(left) / MICROCREDITS_PER_CREDIT)
    return family


def _cumulative(bounds: tuple[float, ...], counts: list[int]) -> list[tuple[str, float]]:
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
    return buckets


def _counter(name: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, METRICS[name].meaning, labels=METRICS[name].labels)


def _gauge(name: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, METRICS[name].meaning, labels=METRICS[name].labels)


def _single(name: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, METRICS[name].meaning, value=value)

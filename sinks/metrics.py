"""Every metric of the sink, by name: this list is what /metrics exports, and nothing else is."""

import time
from collections import Counter as Counted
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from schemas.dead_letter import DeadLetter
from sinks.reconciled import LastRun
from sinks.records import Place

LOOP_LIMIT_SECONDS = 30.0


class Metric(NamedTuple):
    """One metric: its name, Prometheus type, labels and meaning."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str


METRICS: tuple[Metric, ...] = (
    Metric("creditstream_sink_rows_written_total", "counter", ("table",), "Rows ClickHouse took, repeats too."),
    Metric("creditstream_sink_inserts_total", "counter", ("table",), "Batches written to a table."),
    Metric("creditstream_sink_insert_seconds", "histogram", ("table",), "How long such a write took."),
    Metric(
        "creditstream_sink_retries_total",
        "counter",
        (),
        "Writes of a batch that failed and were tried again.",
    ),
    Metric("creditstream_sink_dead_letters_total", "counter", ("reason",), "Rows and records not written."),
    Metric("creditstream_sink_buffered_rows", "gauge", (), "Rows read from Kafka, not yet in ClickHouse."),
    Metric("creditstream_sink_buffered_bytes", "gauge", (), "Bytes of the records these rows came in."),
    Metric(
        "creditstream_sink_lag_records",
        "gauge",
        ("topic", "partition"),
        "Offsets from what is written to the last stable one.",
    ),
    Metric(
        "creditstream_sink_lag_seconds",
        "gauge",
        ("topic", "partition"),
        "Age of the newest record written; 0 when none waits.",
    ),
    Metric(
        "creditstream_sink_rewinds_total",
        "counter",
        (),
        "Returns to older offsets as ClickHouse started anew.",
    ),
    Metric("creditstream_sink_commit_failures_total", "counter", (), "Failed commits; the next one covers them."),
    Metric(
        "creditstream_sink_lost_offsets_total",
        "counter",
        ("topic",),
        "Offsets deleted before they were read.",
    ),
    Metric("creditstream_sink_assigned_partitions", "gauge", (), "Partitions this sink reads."),
    Metric("creditstream_sink_clickhouse_up", "gauge", (), "1 if ClickHouse answered the last try."),
    Metric("creditstream_sink_last_success_timestamp_seconds", "gauge", (), "When rows could last be written."),
    Metric("creditstream_sink_last_loop_timestamp_seconds", "gauge", (), "When the poll loop last turned."),
    Metric(
        "creditstream_sink_reconciled_until_timestamp_seconds",
        "gauge",
        ("partition",),
        "Append time up to which reconcile compared.",
    ),
    Metric(
        "creditstream_sink_reconciled_at_timestamp_seconds",
        "gauge",
        ("partition",),
        "When reconcile last compared all accounts.",
    ),
    Metric(
        "creditstream_sink_reconcile_drift_rows",
        "gauge",
        ("kind",),
        "Rows that differed in the last reconcile of each partition.",
    ),
)
"""`partition` is bounded by the topics' partitions, `table` by the five tables, `reason` by the schema, `kind` by
what reconcile compares."""

_TYPES = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
_INSERT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class SinkMetrics:
    """The sink's figures, and from them whether it is alive and ready; may be told from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {metric.name: self._made(metric) for metric in METRICS}
        self._turned_at = time.monotonic()
        self._joined = False
        self._clickhouse_up = False

    def _made(self, metric: Metric) -> Any:
        options = {"buckets": _INSERT_BUCKETS} if metric.type == "histogram" else {}
        return _TYPES[metric.type](metric.name, metric.meaning, metric.labels, registry=self.registry, **options)

    def _of(self, name: str) -> Any:
        return self._metrics[f"creditstream_sink_{name}"]

    def loop_turned(self) -> None:
        self._turned_at = time.monotonic()
        self._of("last_loop_timestamp_seconds").set(time.time())

    def assigned(self, partitions: int) -> None:
        self._joined = True
        self._of("assigned_partitions").set(partitions)

    def buffered(self, rows: int, size_bytes: int) -> None:
        self._of("buffered_rows").set(rows)
        self._of("buffered_bytes").set(size_bytes)

    def inserted(self, table: str, rows: int, seconds: float) -> None:
        self._of("rows_written_total").labels(table).inc(rows)
        self._of("inserts_total").labels(table).inc()
        self._of("insert_seconds").labels(table).observe(seconds)

    def reached_clickhouse(self) -> None:
        self._clickhouse_up = True
        self._of("clickhouse_up").set(1)

    def written(self) -> None:
        self._of("last_success_timestamp_seconds").set(time.time())

    def write_failed(self) -> None:
        self._clickhouse_up = False
        self._of("clickhouse_up").set(0)
        self._of("retries_total").inc()

    def dead_lettered(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            self._of("dead_letters_total").labels(letter.reason).inc()

    def rewound(self) -> None:
        self._of("rewinds_total").inc()

    def commit_failed(self) -> None:
        self._of("commit_failures_total").inc()

    def lost(self, place: Place, offsets: int) -> None:
        self._of("lost_offsets_total").labels(place.topic).inc(offsets)

    def lags(self, lags: Mapping[Place, tuple[int, float]]) -> None:
        """The lag of every partition that is read, in records and in seconds; others are shown no longer."""
        for name in ("lag_records", "lag_seconds"):
            self._of(name).clear()
        for place, (records, seconds) in lags.items():
            self._of("lag_records").labels(place.topic, place.partition).set(records)
            self._of("lag_seconds").labels(place.topic, place.partition).set(seconds)

    def reconciled(self, runs: Mapping[int, LastRun]) -> None:
        """What the last reconcile of each partition compared and found."""
        drift: Counted[str] = Counted()
        for partition, run in runs.items():
            self._of("reconciled_until_timestamp_seconds").labels(partition).set(run.until_ms / 1_000)
            self._of("reconciled_at_timestamp_seconds").labels(partition).set(run.finished_at_ms / 1_000)
            drift.update(run.drift)
        for kind, rows in drift.items():
            self._of("reconcile_drift_rows").labels(kind).set(rows)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def why_not_alive(self) -> str | None:
        """What is wrong, if only a restart of the sink can help; ClickHouse being away is no such thing."""
        still_seconds = time.monotonic() - self._turned_at
        if still_seconds > LOOP_LIMIT_SECONDS:
            return f"the poll loop has not turned for {still_seconds:.0f} s"
        return None

    def why_not_ready(self) -> str | None:
        """What keeps rows from being written now."""
        if not self._joined:
            return "not yet in the consumer group"
        return None if self._clickhouse_up else "ClickHouse takes no rows"

"""Every metric of the notifier, by name: this list is what /metrics exports, and nothing else is."""

import time
from collections.abc import Mapping
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from schemas.undelivered_notice import NoticeKind, Reason
from sinks.metrics import LOOP_LIMIT_SECONDS, Metric
from sinks.notify.answers import Answer
from sinks.notify.queue import NoticeQueue
from sinks.records import Place

METRICS: tuple[Metric, ...] = (
    Metric("creditstream_notify_tries_total", "counter", ("kind", "verdict"), "Notices sent, by what came of it."),
    Metric("creditstream_notify_answer_seconds", "histogram", ("kind",), "How long an endpoint took to answer."),
    Metric("creditstream_notify_undelivered_total", "counter", ("kind", "reason"), "Notices given up."),
    Metric("creditstream_notify_held_notices", "gauge", ("kind",), "Notices read and not yet delivered or given up."),
    Metric("creditstream_notify_held_bytes", "gauge", ("kind",), "Bytes of these notices."),
    Metric("creditstream_notify_on_the_way", "gauge", ("kind",), "Notices that an answer is awaited for."),
    Metric("creditstream_notify_oldest_seconds", "gauge", ("kind",), "Age of the oldest notice held; 0 without one."),
    Metric("creditstream_notify_paused", "gauge", ("kind",), "1 while no more notices of the kind are read."),
    Metric("creditstream_notify_assigned_partitions", "gauge", (), "Partitions this notifier reads."),
    Metric("creditstream_notify_commit_failures_total", "counter", (), "Failed commits; the next one covers them."),
    Metric("creditstream_notify_lost_offsets_total", "counter", ("topic",), "Offsets deleted before they were read."),
    Metric("creditstream_notify_last_loop_timestamp_seconds", "gauge", (), "When the loop last turned."),
)

_TYPES: dict[str, Any] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class NotifyMetrics:
    """What the notifier tells of itself; may be asked from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {metric.name: self._made(metric) for metric in METRICS}
        self._turned_at = time.monotonic()
        self._joined = False
        # A counter that begins at 1 would have risen by nothing, as Prometheus sees it.
        for kind in get_args(NoticeKind):
            for reason in get_args(Reason):
                self._of("undelivered_total").labels(kind, reason)

    def _made(self, metric: Metric) -> Any:
        options = {"buckets": _BUCKETS} if metric.type == "histogram" else {}
        return _TYPES[metric.type](metric.name, metric.meaning, metric.labels, registry=self.registry, **options)

    def _of(self, name: str) -> Any:
        return self._metrics[f"creditstream_notify_{name}"]

    def loop_turned(self) -> None:
        self._turned_at = time.monotonic()
        self._of("last_loop_timestamp_seconds").set(time.time())

    def assigned(self, partitions: int) -> None:
        self._joined = True
        self._of("assigned_partitions").set(partitions)

    def tried(self, kind: str, answer: Answer) -> None:
        self._of("tries_total").labels(kind, answer.verdict.value).inc()
        self._of("answer_seconds").labels(kind).observe(answer.seconds)

    def undelivered(self, kind: str, reason: str) -> None:
        """A notice whose kind could not be read is counted with its topic's."""
        self._of("undelivered_total").labels(kind, reason).inc()

    def queues(self, queues: Mapping[NoticeKind, NoticeQueue], paused: Mapping[NoticeKind, bool], now_ms: int) -> None:
        """What every kind's queue holds."""
        for kind, each in queues.items():
            written = [held.record.timestamp_ms for held in each.first_of_each()]
            oldest_ms = now_ms - min(written, default=now_ms)
            self._of("held_notices").labels(kind).set(each.notices)
            self._of("held_bytes").labels(kind).set(each.bytes)
            self._of("on_the_way").labels(kind).set(len(each.on_the_way))
            self._of("oldest_seconds").labels(kind).set(max(0, oldest_ms) / 1_000)
            self._of("paused").labels(kind).set(paused[kind])

    def commit_failed(self) -> None:
        self._of("commit_failures_total").inc()

    def lost(self, place: Place, offsets: int) -> None:
        self._of("lost_offsets_total").labels(place.topic).inc(offsets)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def why_not_alive(self) -> str | None:
        """What is wrong, if only a restart can help; an endpoint being away is no such thing."""
        still_seconds = time.monotonic() - self._turned_at
        return f"the loop has not turned for {still_seconds:.0f} s" if still_seconds > LOOP_LIMIT_SECONDS else None

    def why_not_ready(self) -> str | None:
        """What keeps notices from being read now."""
        return None if self._joined else "not yet in the consumer group"

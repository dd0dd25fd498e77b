"""The notifier's figures and its health."""

import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sinks.notify import metrics as notify_metrics
from sinks.notify.metrics import METRICS, NotifyMetrics
from sinks.web import MetricsServer
from tests.unit.notify_fakes import ALERTS, REFUSED, START_MS, NotifyScene, alert_value, record


def test_the_list_of_metrics_is_what_is_exported() -> None:
    """Names, types, labels and meanings of /metrics are those of the list."""
    scene = NotifyScene()
    scene.courier.answer = lambda _held: REFUSED
    scene.turn(record(alert_value("acme", "a1"), 0))
    scene.run_for(1)
    scene.metrics.lost(ALERTS, 2)
    with MetricsServer(scene.metrics, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as response:
            told = text_string_to_metric_families(response.read().decode())
    families = {family.name: family for family in told if not family.name.endswith("_created")}
    assert families.keys() == {metric.name.removesuffix("_total") for metric in METRICS}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.type, metric.meaning)
        assert family.samples
        assert all(set(sample.labels) - {"le"} == set(metric.labels) for sample in family.samples)


def test_every_metric_is_told_somewhere() -> None:
    """No metric of the list is left at its default for ever."""
    source = Path(notify_metrics.__file__).read_text(encoding="utf-8").split("class NotifyMetrics", 1)[1]
    for metric in METRICS:
        assert f'"{metric.name.removeprefix("creditstream_notify_")}"' in source


def test_what_is_held_is_told_by_kind() -> None:
    """With the age of the oldest, from when it was written, and nothing once all are delivered."""
    scene = NotifyScene()
    scene.courier.answer = lambda _held: None
    value = alert_value("acme", "a1")
    scene.turn(record(value, 0, at_ms=START_MS - 60_000), record(alert_value("acme", "a2"), 1))
    scene.run_for(5)
    assert scene.value("held_notices", kind="alert") == 2
    assert scene.value("held_bytes", kind="alert") == 2 * len(value)
    assert scene.value("on_the_way", kind="alert") == 1
    assert scene.value("oldest_seconds", kind="alert") == 65
    assert scene.value("assigned_partitions") == 3
    for _ in range(2):
        scene.courier.reply()
        scene.run_for(2)
    assert scene.value("held_notices", kind="alert") == 0
    assert scene.value("oldest_seconds", kind="alert") == 0


def test_health_is_a_loop_that_turns_and_readiness_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that is away is neither's affair."""
    metrics = NotifyMetrics()
    assert metrics.why_not_ready() == "not yet in the consumer group"
    metrics.assigned(0)
    assert metrics.why_not_ready() is None
    now = time.monotonic()
    monkeypatch.setattr("sinks.notify.metrics.time.monotonic", lambda: now + 31)
    assert "the loop has not turned" in (metrics.why_not_alive() or "")
    metrics.loop_turned()
    assert metrics.why_not_alive() is None

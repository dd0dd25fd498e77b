"""The sink's figures and its health, over HTTP."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.settings import BadSettingError
from sinks import metrics as sink_metrics
from sinks.batch import Reached
from sinks.metrics import METRICS, SinkMetrics
from sinks.progress import Progress
from sinks.reconciled import LastRun
from sinks.records import Place
from sinks.web import MetricsServer
from tests.unit.sink_fakes import Rig, begin, eventually

PLACE = Place("credits.charges", 3)


class Served(NamedTuple):
    """Metrics behind a server."""

    metrics: SinkMetrics
    port: int

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture
def served() -> Iterator[Served]:
    """Fresh metrics on a free port."""
    metrics = SinkMetrics()
    with MetricsServer(metrics, "127.0.0.1", 0) as server:
        yield Served(metrics, server.port)


def test_the_list_of_metrics_is_what_is_exported(served: Served) -> None:
    """Names, types and labels of /metrics are those of the list."""
    served.metrics.inserted("charges", 5, 0.01)
    served.metrics.lost(PLACE, 2)
    served.metrics.lags({PLACE: (4, 1.5)})
    served.metrics._of("dead_letters_total").labels("undecodable").inc()
    served.metrics.reconciled({3: LastRun(1_000, 2_000, {"charges": 0})})
    told = text_string_to_metric_families(served.get("/metrics")[1])
    # The client library adds the birth of every counter and histogram.
    families = {family.name: family for family in told if not family.name.endswith("_created")}
    assert families.keys() == {metric.name.removesuffix("_total") for metric in METRICS}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert family.type == metric.type
        assert family.documentation == metric.meaning
        assert family.samples
        assert all(set(sample.labels) - {"le"} == set(metric.labels) for sample in family.samples)


def test_healthz_fails_when_the_loop_stands_still(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """30 s without a turn is not alive; a turn makes it so again."""
    served.metrics.loop_turned()
    assert served.get("/healthz") == (200, "ok\n")
    now = time.monotonic()
    monkeypatch.setattr("sinks.metrics.time.monotonic", lambda: now + 31)
    status, body = served.get("/healthz")
    assert status == 503
    assert "poll loop has not turned" in body
    served.metrics.loop_turned()
    assert served.get("/healthz") == (200, "ok\n")


def test_readyz_needs_the_group_and_clickhouse(served: Served) -> None:
    """Ready is: in the group, and the last try to reach ClickHouse succeeded."""
    assert served.get("/readyz") == (503, "not yet in the consumer group\n")
    served.metrics.assigned(0)
    assert served.get("/readyz") == (503, "ClickHouse takes no rows\n")
    served.metrics.reached_clickhouse()
    assert served.get("/readyz") == (200, "ok\n")
    served.metrics.write_failed()
    assert served.get("/readyz") == (503, "ClickHouse takes no rows\n")


def test_a_running_sink_is_alive_and_ready_and_one_without_clickhouse_only_alive() -> None:
    """The loop of a sink keeps its own health up to date."""
    rig = Rig()
    with rig.running():
        rig.intake.assign({PLACE: begin()})
        eventually(lambda: rig.metrics.why_not_ready() is None, "ready")
        assert rig.metrics.why_not_alive() is None
    rig = Rig()
    rig.writer.away = True
    with rig.running():
        rig.intake.assign({PLACE: begin()})
        eventually(lambda: rig.metrics.why_not_ready() == "ClickHouse takes no rows", "not ready")
        assert rig.metrics.why_not_alive() is None
        rig.writer.away = False


def test_other_paths_say_what_there_is(served: Served) -> None:
    """A wrong path is an error, with the right ones in it."""
    assert served.get("/") == (404, "there are /metrics, /healthz and /readyz\n")


def test_a_taken_port_is_a_bad_setting(served: Served) -> None:
    """The message names the setting and the port."""
    with pytest.raises(BadSettingError, match=f"CREDITSTREAM_HTTP_PORT {served.port} cannot be listened on"):
        MetricsServer(SinkMetrics(), "127.0.0.1", served.port)


def test_lag_counts_from_what_is_written_to_the_last_stable_offset() -> None:
    """Seconds are the age of the newest record written, or of the first that waits, and 0 without lag."""
    progress = Progress(900)
    progress.take(PLACE, 10, 10, 0.0)
    assert progress.lags({PLACE: 15}, 60_000) == {PLACE: (5, 0.0)}
    progress.saw(PLACE, 40_000)
    progress.saw(PLACE, 50_000)
    assert progress.lags({PLACE: 15}, 60_000) == {PLACE: (5, 20.0)}
    progress.write({PLACE: Reached(14, 55_000)}, 1.0)
    assert progress.lags({PLACE: 15}, 60_000) == {PLACE: (1, 5.0)}
    progress.write({PLACE: Reached(15, 0)}, 2.0)
    assert progress.lags({PLACE: 15}, 60_000) == {PLACE: (0, 0.0)}
    assert progress.lags({}, 60_000) == {}


def test_reconciled_is_told_by_partition_and_drift_summed_by_kind() -> None:
    """A kind that no longer drifts goes back to 0."""
    metrics = SinkMetrics()
    value = metrics.registry.get_sample_value
    metrics.reconciled({0: LastRun(1_500, 9_000, {"charges": 2}), 1: LastRun(2_500, 8_000, {"charges": 3})})
    assert value("creditstream_sink_reconciled_until_timestamp_seconds", {"partition": "1"}) == 2.5
    assert value("creditstream_sink_reconciled_at_timestamp_seconds", {"partition": "0"}) == 9
    assert value("creditstream_sink_reconcile_drift_rows", {"kind": "charges"}) == 5
    metrics.reconciled({0: LastRun(1_500, 9_000, {"charges": 0}), 1: LastRun(2_500, 8_000, {"charges": 0})})
    assert value("creditstream_sink_reconcile_drift_rows", {"kind": "charges"}) == 0


def test_every_metric_is_told_somewhere() -> None:
    """No metric of the list is left at its default for ever."""
    source = Path(sink_metrics.__file__).read_text(encoding="utf-8").split("class SinkMetrics", 1)[1]
    for metric in METRICS:
        short = metric.name.removeprefix("creditstream_sink_")
        assert f'"{short}"' in source

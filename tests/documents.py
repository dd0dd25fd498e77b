"""What documents, alerts and dashboards may name: the metrics and settings that there are in the code."""

import re
from pathlib import Path

from msgspec import Struct

from schemas.settings import ENVIRONMENT_PREFIX, KafkaSettings
from sinks.metrics import METRICS as SINK_METRICS
from sinks.notify.metrics import METRICS as NOTIFY_METRICS
from sinks.notify.settings import NotifySettings
from sinks.settings import ClickHouseSettings, SinkSettings
from stream.metrics import METRICS as WORKER_METRICS
from stream.settings import WorkerSettings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PROMETHEUS_OWN = {"up": frozenset({"job", "instance"})}
_SETTINGS: tuple[type[Struct], ...] = (KafkaSettings, WorkerSettings, SinkSettings, ClickHouseSettings, NotifySettings)
_SERIES = re.compile(r"\b(creditstream_\w+|up)\b(?:\{([^}]*)\})?")


def exported() -> dict[str, tuple[str, frozenset[str]]]:
    """Every metric of worker, sink and notifier as it is named on /metrics, with its type and labels."""
    found = {name: (each.type, frozenset(each.labels)) for name, each in WORKER_METRICS.items()}
    found |= {each.name: (each.type, frozenset(each.labels)) for each in (*SINK_METRICS, *NOTIFY_METRICS)}
    return {
        f"{name.removesuffix('_total')}_total" if kind == "counter" else name: (kind, labels)
        for name, (kind, labels) in found.items()
    }


def known_series() -> dict[str, frozenset[str]]:
    """Every series that may be asked for, with its labels: histograms have three, and Prometheus adds its own."""
    names = dict(PROMETHEUS_OWN)
    for name, (kind, labels) in exported().items():
        if kind == "histogram":
            names |= {f"{name}_{part}": labels for part in ("count", "sum")} | {f"{name}_bucket": labels | {"le"}}
        else:
            names[name] = labels
    return names


def metrics_in(promql: str) -> set[str]:
    """The series that an expression asks for."""
    return {name for name, _ in _SERIES.findall(promql)}


def series_with_labels(promql: str) -> list[tuple[str, set[str]]]:
    """Each series of an expression, with the labels it is selected by."""
    return [(name, set(re.findall(r"(\w+)\s*[=!]", selector))) for name, selector in _SERIES.findall(promql)]


def setting_names() -> set[str]:
    """The environment variable of every setting of every process."""
    return {f"{ENVIRONMENT_PREFIX}{field.upper()}" for each in _SETTINGS for field in each.__struct_fields__}

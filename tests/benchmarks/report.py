"""What the rounds come to: medians, their ratios, and how far single rounds lie from them."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

Measured = dict[str, dict[str, list[float]]]
"""Events a second of each round, by load and contestant."""


def results(measured: Measured, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Everything that bench-results.json holds."""
    medians = {load: {name: median(rates) for name, rates in of.items()} for load, of in measured.items()}
    naive = median(measured["naive"]["naive_faust"])
    return {
        "worker_to_ceiling_zipf": _rounded(medians["zipf"]["worker"] / medians["zipf"]["ceiling"]),
        "worker_to_ceiling_worst": _rounded(medians["worst"]["worker"] / medians["worst"]["ceiling"]),
        "worker_to_naive_faust": _rounded(medians["zipf"]["worker"] / naive),
        "ratios_of_rounds": {load: _of_rounds(measured[load]) for load in ("zipf", "worst")},
        "median_events_per_second": {
            load: {name: round(rate) for name, rate in of.items()} for load, of in medians.items()
        },
        "events_per_second": {
            load: {name: [round(rate) for rate in rates] for name, rates in of.items()} for load, of in measured.items()
        },
        "sizes": dict(sizes),
        "machine": machine(),
    }


def table(found: Mapping[str, Any]) -> str:
    """A few lines for people."""
    medians, lines = found["median_events_per_second"], []
    lines.append(f"{'events/s, median of rounds':28}{'worker':>10}{'peer':>10}{'ratio':>8}   rounds")
    for load, label in (("zipf", "zipf, against the ceiling"), ("worst", "worst, against the ceiling")):
        worker, peer = medians[load]["worker"], medians[load]["ceiling"]
        spread = " to ".join(f"{ratio:.2f}" for ratio in found["ratios_of_rounds"][load])
        lines.append(f"{label:28}{worker:>10,}{peer:>10,}{found[f'worker_to_ceiling_{load}']:>8.2f}   {spread}")
    worker, peer = medians["zipf"]["worker"], medians["naive"]["naive_faust"]
    lines.append(f"{'zipf, against naive Faust':28}{worker:>10,}{peer:>10,}{found['worker_to_naive_faust']:>8.1f}")
    return "\n".join(lines)


def ratios_of_rounds(rates: Sequence[float], peers: Sequence[float]) -> list[float]:
    """What one came to of the other, in each round that they shared."""
    return [_rounded(rate / peer) for rate, peer in zip(rates, peers, strict=True)]


def _of_rounds(rates: Mapping[str, list[float]]) -> list[float]:
    """The least and the greatest ratio."""
    ratios = ratios_of_rounds(rates["worker"], rates["ceiling"])
    return [min(ratios), max(ratios)]


def _rounded(ratio: float) -> float:
    return round(ratio, 3)


def machine() -> dict[str, str | int | None]:
    """Whose figures these are."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())

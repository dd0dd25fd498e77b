"""What the pauses come to, beside the floors."""

import os
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tests.benchmarks import report as machines
from tests.benchmarks.takeover.crew import Sizes
from tests.benchmarks.takeover.scenes import Pause

FLOORS_SECONDS = {"restart_seconds": 5.0, "rolling_pause_seconds": 5.0, "takeover_seconds": 15.0}
"""At most so long; the take-over includes the session timeout."""
_TITLES = {
    "restart_seconds": "a restart of the only worker, until every partition books",
    "rolling_pause_seconds": "rolling restart of three, longest pause of any partition",
    "crash_seconds": "kill -9 and start of one of three, until its partitions book",
    "takeover_seconds": "a killed worker's partitions, until all book elsewhere",
}


class Measured(Struct, frozen=True):
    """The pauses of one run."""

    alone: Pause
    rolled: list[Pause]
    crashed: Pause
    killed: Pause


def results(measured: Measured, sizes: Sizes, *, named: bool) -> dict[str, Any]:
    """Everything that the results file holds."""
    moved = sorted(
        {f"{number}: {each.worker} to {to}" for each in measured.rolled for number, to in each.moved.items()}
    )
    return {
        "restart_seconds": _rounded(measured.alone.seconds),
        "rolling_pause_seconds": _rounded(max(max(each.pauses_seconds.values()) for each in measured.rolled)),
        "crash_seconds": _rounded(measured.crashed.seconds),
        "takeover_seconds": _rounded(measured.killed.seconds),
        "floors_seconds": FLOORS_SECONDS,
        "moved_while_rolling": moved,
        "named_workers": named,
        "bystanders_pause_seconds": _rounded(max(map(_bystanders, measured.rolled))),
        "restarts": [_detail(each) for each in (measured.alone, *measured.rolled)],
        "crash": _detail(measured.crashed),
        "kill": _detail(measured.killed),
        "sizes": msgspec.to_builtins(sizes),
        "machine": machines.machine(),
        # Of the last minute: above the cores, others took part of what was measured.
        "load_average": round(os.getloadavg()[0], 2),
    }


def missed(found: Mapping[str, Any]) -> list[str]:
    """The floors that were not kept; workers with a name of their own move nothing."""
    late = [name for name, floor in FLOORS_SECONDS.items() if found[name] > floor]
    return [*late, "moved_while_rolling"] if found["named_workers"] and found["moved_while_rolling"] else late


def table(found: Mapping[str, Any]) -> str:
    """A few lines for people."""
    late = missed(found)
    lines = [f"{'':62}{'seconds':>8}{'floor':>7}"]
    for name, title in _TITLES.items():
        floor = f"{FLOORS_SECONDS[name]:.0f}" if name in FLOORS_SECONDS else "none"
        lines.append(f"{title:62}{found[name]:>8.2f}{floor:>7}{'  missed' if name in late else ''}")
    lines.append(f"{'the same, of partitions of workers not restarted':62}{found['bystanders_pause_seconds']:>8.2f}")
    lines.append(f"{found['machine']['cores']} cores, load {found['load_average']} in the last minute")
    moved = ", ".join(found["moved_while_rolling"]) or "none"
    lines.append(
        f"partitions moved by the rolling restart: {moved}{'  missed' if 'moved_while_rolling' in late else ''}"
    )
    return "\n".join(lines)


def _bystanders(pause: Pause) -> float:
    """The longest pause of a partition whose worker was not touched."""
    return max((seconds for number, seconds in pause.pauses_seconds.items() if number not in pause.owned), default=0.0)


def _detail(pause: Pause) -> dict[str, Any]:
    return {
        "worker": pause.worker,
        "seconds": _rounded(pause.seconds),
        "stopped_seconds": _rounded(pause.stopped_seconds),
        "pauses_seconds": {str(number): _rounded(seconds) for number, seconds in pause.pauses_seconds.items()},
        "owned": pause.owned,
        "taken_over": pause.claimed,
        "moved": {str(number): to for number, to in pause.moved.items()},
    }


def _rounded(seconds: float) -> float:
    return round(seconds, 3)

"""The worker against the one of an earlier commit, in one run on one broker: `--against REVISION`.

Each is run from a tree of its own, with that tree's tests and schemas, over the same seeded load. Who goes first
changes each round. The ratio is the median of the rounds' ratios: what else the machine does changes from round to
round, and slows both of one.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.process import BenchmarkError
from tests.benchmarks.report import ratios_of_rounds

ROOT = Path(__file__).resolve().parents[2]
_TURN = str(Path(__file__).with_name("turn.py"))
_LONGEST_TURN_SECONDS = 600


def compare(
    servers: str, folder: Path, revision: str, events: int, rounds: int, chosen: Sequence[str]
) -> dict[str, Any]:
    """Rates of both workers over the chosen loads, events a second, and what the new one comes to of the old one."""
    found: dict[str, dict[str, list[float]]] = {load: {"before": [], "now": []} for load in chosen}
    with _tree(revision, folder / "before") as before:
        # Not counted: a broker that was just started compiles itself meanwhile, and whoever comes first pays for it.
        _turn(before, servers, folder, chosen[0], events)
        for turn in range(rounds):
            for load, of in found.items():
                turns = [("before", before), ("now", ROOT)]
                for name, tree in turns if turn % 2 else reversed(turns):
                    rate = _turn(tree, servers, folder, load, events)
                    of[name].append(rate)
                    print(f"round {turn + 1}, {load}, {name}: {rate:,.0f} events/s", file=sys.stderr, flush=True)
    return {load: _result(of, revision) for load, of in found.items()}


def table(found: dict[str, Any]) -> str:
    """A few lines for people."""
    lines = [f"{'events/s, median of rounds':28}{'before':>10}{'now':>10}{'ratio':>8}  of each round"]
    for load, of in found.items():
        ratios = " ".join(f"{ratio:.2f}" for ratio in of["ratios"])
        lines.append(f"{load:28}{of['before']:>10,}{of['now']:>10,}{of['ratio']:>8.2f}  {ratios}")
    return "\n".join(lines)


def _result(of: dict[str, list[float]], revision: str) -> dict[str, Any]:
    ratios = ratios_of_rounds(of["now"], of["before"])
    rates = {name: [round(rate) for rate in each] for name, each in of.items()}
    return {
        "revision": revision,
        "before": round(median(of["before"])),
        "now": round(median(of["now"])),
        "ratio": round(median(ratios), 3),
        "ratios": ratios,
        "rounds": rates,
    }


@contextlib.contextmanager
def _tree(revision: str, folder: Path) -> Iterator[Path]:
    """A checkout of that commit, with this tree's environment."""
    _git("worktree", "add", "--detach", "--force", str(folder), revision)
    try:
        (folder / ".venv").symlink_to(Path(sys.prefix))
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"git {' '.join(arguments)}: {done.stderr.strip()}")


def _turn(tree: Path, servers: str, folder: Path, load: str, events: int) -> float:
    # This tree's file, so that the earlier one need not have it; all else is the tree's own.
    program = f"import runpy, sys; sys.path.insert(0, {str(tree)!r}); runpy.run_path({_TURN!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, servers, str(folder), load, str(events)],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=_LONGEST_TURN_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"the worker of {tree}: {done.stderr.strip()[-2_000:]}")
    return float(done.stdout.split()[-1])

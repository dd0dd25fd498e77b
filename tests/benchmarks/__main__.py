"""The worker against a plain librdkafka loop and against naive Faust, in one run on one broker: `make bench`.

Contestants take turns over the same events. Ratios count; absolute figures are this machine's today.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.local.errors import LocalStackError
from deploy.local.kafka import LocalKafka
from tests.benchmarks import against, contestants, loads, report
from tests.benchmarks.arena import Arena, arena
from tests.benchmarks.loads import Load
from tests.benchmarks.process import BenchmarkError
from tests.benchmarks.turn import LOADS

SHORT_EVENTS, FULL_EVENTS, NAIVE_EVENTS = 400_000, 1_500_000, 12_000
RESULTS_FILE = Path("bench-results.json")

Contest = dict[str, Callable[[Arena], float]]
_CONTEST: Contest = {"worker": contestants.worker, "ceiling": contestants.ceiling}
_NAIVE: Contest = {"naive_faust": contestants.naive_faust}


def main() -> int:
    """Prints the table and writes the results; 1 when a contestant failed."""
    options = _options()
    events = options.events or (FULL_EVENTS if options.full else SHORT_EVENTS)
    try:
        with tempfile.TemporaryDirectory(prefix="creditstream-bench-") as folder:
            kafka = LocalKafka(Path(folder) / "kafka", owner_pid=os.getpid())
            kafka.start()
            try:
                if options.against:
                    compared = against.compare(
                        kafka.bootstrap_servers, Path(folder), options.against, events, options.rounds, options.loads
                    )
                    options.output.write_text(json.dumps(compared, indent=2) + "\n", encoding="utf-8")
                    print(against.table(compared), f"\nwritten to {options.output}")
                    return 0
                measured = _measure(kafka.bootstrap_servers, Path(folder), events, options.rounds)
            finally:
                kafka.kill()
    except (BenchmarkError, LocalStackError) as error:
        print(error, file=sys.stderr)
        return 1
    results = report.results(measured, {"events": events, "naive_events": NAIVE_EVENTS, "rounds": options.rounds})
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(report.table(results), f"\nwritten to {options.output}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help=f"{FULL_EVENTS} events of each load, not {SHORT_EVENTS}")
    parser.add_argument("--events", type=int, help="so many events of each load")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant (default: %(default)s)")
    parser.add_argument("--against", metavar="REVISION", help="measure the worker of that commit instead of the peers")
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=list(LOADS), help="with --against: only these")
    parser.add_argument("--output", type=Path, default=RESULTS_FILE, help="results file (default: %(default)s)")
    return parser.parse_args()


def _measure(servers: str, folder: Path, events: int, rounds: int) -> report.Measured:
    measured: report.Measured = {}
    contests = [(loads.zipf(events), _CONTEST), (loads.worst(events), _CONTEST), (loads.naive(NAIVE_EVENTS), _NAIVE)]
    for turn in range(rounds):
        for load, contest in contests:
            _round(servers, folder, load, contest, turn, measured)
    return measured


def _round(servers: str, folder: Path, load: Load, contest: Contest, turn: int, measured: report.Measured) -> None:
    # Who goes first changes each turn, so that neither always finds the input freshly written.
    order = list(contest) if turn % 2 else list(reversed(contest))
    with arena(servers, load, folder, compressed=contest is not _NAIVE) as made:
        for name in order:
            rate = contest[name](made)
            measured.setdefault(load.name, {}).setdefault(name, []).append(rate)
            print(f"round {turn + 1}, {load.name}, {name}: {rate:,.0f} events/s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

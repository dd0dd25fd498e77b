"""Breaks a real Kafka, real workers, a real sink and ClickHouse on purpose, and compares with the oracle: `make chaos`.

Each fault has a broker of its own, under load with duplicates, late and malformed events and commands. The matrix is
printed as it grows and written to chaos-results.json. Exit code 1 when anything was lost, doubled or off, or a system
did not come back. Clock jumps and full disks are left out: making them takes root.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import matrix
from tests.chaos.fault import Fault
from tests.chaos.faults import FAULTS
from tests.chaos.matrix import Row
from tests.chaos.stage import Stage, staged

RESULTS_FILE = Path("chaos-results.json")
SHORT_EVENTS, FULL_EVENTS = 30_000, 10_500_000


def main() -> int:
    """0 when every fault was survived, 1 otherwise, 2 when there is no such fault."""
    options = _options()
    names = {fault.name: fault for fault in FAULTS}
    if options.list:
        print("\n".join(f"{fault.name:<30} {fault.about}" for fault in FAULTS))
        return 0
    unknown = [name for name in options.only if name not in names]
    if unknown:
        print(f"no such fault: {', '.join(unknown)}; --list names them", file=sys.stderr)
        return 2
    chosen = [names[name] for name in options.only] or FAULTS
    events = options.events or (FULL_EVENTS // len(chosen) if options.full else SHORT_EVENTS)
    rows = _run_all(chosen, events, options)
    print(matrix.total(rows))
    return 0 if all(row.passed for row in rows) else 1


def _run_all(chosen: list[Fault], events: int, options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    print(matrix.header(), flush=True)
    for fault in chosen:
        row = _run(fault, events, long=options.long)
        rows.append(row)
        print(matrix.line(row), flush=True)
        options.output.write_text(json.dumps(matrix.results(rows), indent=2) + "\n", encoding="utf-8")
    return rows


def _run(fault: Fault, events: int, *, long: bool) -> Row:
    folder = Path(tempfile.mkdtemp(prefix=f"creditstream-chaos-{fault.name}-"))
    row = Row(fault=fault.name)
    began = time.monotonic()
    stage: Stage | None = None
    try:
        with staged(fault, folder, events=events, long=long) as stage:
            _break(fault, stage, row)
    # Whatever goes wrong is a finding about this fault; the others are still to be tried.
    except Exception as error:
        row.problems.append(f"{type(error).__name__}: {error}")
    if stage is not None:
        row.restarts, row.memory_mib = stage.restarts, stage.most_memory_mib
        row.recover_seconds, row.refused_seconds = stage.recover_seconds, stage.refused_seconds
    row.took_seconds = time.monotonic() - began
    if row.passed:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        row.problems.append(f"logs are kept in {folder}")
    return row


def _break(fault: Fault, stage: Stage, row: Row) -> None:
    fault.breaks(stage)
    if stage.refused_seconds is None:
        stage.await_recovery()
        stage.settle()
    row.events = stage.sent
    verdict = stage.verdict()
    row.accepted, row.lost, row.doubled, row.drift = verdict.accepted, verdict.lost, verdict.doubled, verdict.drift
    row.problems += verdict.found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these faults alone")
    parser.add_argument("--events", type=int, help=f"at least so many events for each fault (default {SHORT_EVENTS})")
    parser.add_argument("--full", action="store_true", help=f"at least {FULL_EVENTS} events over all faults")
    parser.add_argument("--long", action="store_true", help="outages of 5 minutes and overload of 2, not of 1 and less")
    parser.add_argument("--list", action="store_true", help="name the faults and what each does")
    parser.add_argument("--output", type=Path, default=RESULTS_FILE, help="results file (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

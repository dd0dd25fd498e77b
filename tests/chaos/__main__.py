"""Breaks a real Kafka, real workers, a real sink and ClickHouse on purpose, and compares with the oracle: `make chaos`.

Each fault has a broker of its own, under load with duplicates, late and malformed events and commands, and must show
that it really happened. The matrix is printed as it grows; chaos-results.json is written after every fault, so that a
run that was interrupted goes on with --resume. Progress is on stderr.

Exit code 0 when every fault was survived and, in a full run, 10 million events were sent; 1 when anything was lost,
doubled or off, a system did not come back, or a fault did not happen; 2 for wrong usage; 130 when interrupted.
Clocks are bent by a library that is compiled on the spot: that takes a C compiler.
"""

import argparse
import signal
import sys
from pathlib import Path

from tests.chaos import matrix, results
from tests.chaos.fault import Fault
from tests.chaos.faults import FAULTS, VOLUME
from tests.chaos.matrix import Row
from tests.chaos.run import run_fault

RESULTS_FILE = Path("chaos-results.json")
QUICK_EVENTS, FULL_EVENTS = 20_000, 10_000_000
_BAD_USAGE, _INTERRUPTED = 2, 130


def main() -> int:
    """The exit code."""
    options = _options()
    names = {fault.name: fault for fault in FAULTS}
    if options.list:
        print("\n".join(f"{fault.name:<26} {fault.about}" for fault in FAULTS))
        return 0
    unknown = [name for name in options.only if name not in names]
    if unknown:
        print(f"no such fault: {', '.join(unknown)}; --list names them", file=sys.stderr)
        return _BAD_USAGE
    # A run in the background is ended by SIGTERM: its processes are to end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run([names[name] for name in options.only] or FAULTS, options)
    except results.OtherCommitError as error:
        print(error, file=sys.stderr)
        return _BAD_USAGE
    except KeyboardInterrupt:
        print(f"interrupted; {options.output} has what is done, and --resume goes on", file=sys.stderr)
        return _INTERRUPTED


def _run(chosen: list[Fault], options: argparse.Namespace) -> int:
    of_commit = results.commit()
    rows = [row for row in results.read(options.output, of_commit) if row.passed] if options.resume else []
    done = {row.fault for row in rows}
    print(matrix.header(), flush=True)
    for row in rows:
        print(matrix.line(row), flush=True)
    for number, fault in enumerate(chosen, start=1):
        if fault.name in done:
            continue
        events = _events(fault, rows, options)
        print(f"{number} of {len(chosen)}: {fault.name}, {fault.about}", file=sys.stderr, flush=True)
        row = run_fault(fault, events, long=not options.quick)
        rows.append(row)
        print(matrix.line(row), flush=True)
        results.write(options.output, rows, of_commit)
    print(matrix.total(rows))
    return 0 if _is_shown(chosen, rows, options) else 1


def _events(fault: Fault, rows: list[Row], options: argparse.Namespace) -> int:
    if options.events or options.quick:
        return int(options.events or QUICK_EVENTS)
    missing = FULL_EVENTS - sum(row.events for row in rows) if fault is VOLUME else 0
    return max(fault.events, missing)


def _is_shown(chosen: list[Fault], rows: list[Row], options: argparse.Namespace) -> bool:
    sent = sum(row.events for row in rows)
    whole = not (options.only or options.quick or options.events)
    if whole and sent < FULL_EVENTS:
        print(f"only {sent} events were sent, out of {FULL_EVENTS}")
        return False
    return all(row.passed for row in rows) and {fault.name for fault in chosen} <= {row.fault for row in rows}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these faults alone")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_EVENTS} events a fault, and shorter outages")
    parser.add_argument("--events", type=int, help="at least so many events for each fault")
    parser.add_argument("--resume", action="store_true", help="keep what passed in the results file, run the others")
    parser.add_argument("--list", action="store_true", help="name the faults and what each does")
    parser.add_argument("--output", type=Path, default=RESULTS_FILE, help="results file (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

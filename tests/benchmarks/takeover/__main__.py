"""How long partitions pause while workers restart, roll and die: `make takeover`.

One worker on a broker of its own books usage of 100,000 accounts, and more of it comes at a steady rate. It is
restarted; two more join; each of the three is restarted in turn; one is killed by `kill -9` and started again; one is
killed for good. What counts is what a reader of the committed progress sees. Exit code 1 when a floor is missed.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.local.errors import LocalStackError
from tests.benchmarks.process import BenchmarkError
from tests.benchmarks.takeover import report, scenes
from tests.benchmarks.takeover.crew import Sizes, crew
from tests.processes import ProcessDiedError

RESULTS_FILE = Path("takeover-results.json")


def main() -> int:
    """0 when every floor is kept, 1 otherwise."""
    options = _options()
    sizes = Sizes(options.accounts, options.rate, options.partitions)
    folder = Path(tempfile.mkdtemp(prefix="creditstream-takeover-"))
    try:
        measured = _measure(folder, sizes, named=not options.unnamed)
    except (BenchmarkError, LocalStackError, ProcessDiedError, TimeoutError) as error:
        print(error, f"logs are kept in {folder}", sep="\n", file=sys.stderr)
        return 1
    results = report.results(measured, sizes, named=not options.unnamed)
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(report.table(results), f"\nwritten to {options.output}")
    if options.keep:
        print(f"logs are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if not report.missed(results) else 1


def _measure(folder: Path, sizes: Sizes, *, named: bool) -> report.Measured:
    with crew(folder, sizes, named=named) as made:
        _tell(f"{made.accounts():,} accounts in one worker, restarting it")
        alone = scenes.restart(made, "a")
        _tell(f"it booked again after {alone.seconds:.2f} s; two more join")
        for name in ("b", "c"):
            made.start(name)
        made.wait_shared(3)
        rolled = []
        for name in ("a", "b", "c"):
            _tell(f"restarting {name} of three")
            rolled.append(scenes.restart(made, name))
        _tell("killing b, and starting it again")
        crashed = scenes.restart(made, "b", crash=True)
        _tell("killing c")
        return report.Measured(alone, rolled, crashed, scenes.kill(made, "c"))


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.takeover", description=__doc__)
    parser.add_argument("--accounts", type=int, default=100_000, help="in all workers together (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=2_000, help="events a second meanwhile (default: %(default)s)")
    parser.add_argument("--partitions", type=int, default=12, help="of every topic (default: %(default)s)")
    parser.add_argument("--unnamed", action="store_true", help="workers without CREDITSTREAM_INSTANCE_ID")
    parser.add_argument("--keep", action="store_true", help="keep the workers' logs, and say where")
    parser.add_argument("--output", type=Path, default=RESULTS_FILE, help="results file (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

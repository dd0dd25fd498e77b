"""Plays schedules: `python -m tests.simulation --schedules N --seed S`, or one of them with its trace: `--one SEED`."""

import argparse
import logging
import time
import warnings
from collections import Counter

from tests.simulation import sim_faults
from tests.simulation.sim_schedule import Outcome, run


def main() -> int:
    """0 when every schedule ended as the oracle says."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", type=int, metavar="SEED")
    parser.add_argument("--most-failures", type=int, default=20)
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    logging.getLogger("stream").setLevel(logging.CRITICAL + 1)
    if options.one is not None:
        return _one(options.one)
    return _many(range(options.seed, options.seed + options.schedules), options.most_failures)


def _one(seed: int) -> int:
    outcome = run(seed)
    print("\n".join(outcome.trace))
    print(f"{outcome.steps} steps in {outcome.virtual_seconds:.1f} virtual seconds")
    print("\n".join(outcome.problems) if outcome.problems else "no difference")
    return 1 if outcome.problems else 0


def _many(seeds: range, most_failures: int) -> int:
    met: Counter[str] = Counter()
    failed: list[Outcome] = []
    played, began = 0, time.perf_counter()
    for seed in seeds:
        outcome = run(seed)
        played += 1
        met.update(outcome.met.keys())
        if outcome.problems:
            failed.append(outcome)
            print(f"seed {seed}: {outcome.problems[0]}", flush=True)
            if len(failed) >= most_failures:
                break
    minutes = (time.perf_counter() - began) / 60
    print(f"{played} schedules, {played / minutes:.0f} a minute; schedules that met each kind of fault:")
    for kind in sim_faults.EVERY_KIND:
        print(f"  {kind:<44}{met[kind]:>6}")
    print(f"failed: {[outcome.seed for outcome in failed]}" if failed else "none failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

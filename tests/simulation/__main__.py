"""Plays schedules: `python -m tests.simulation --schedules N --seed S`, or one of them with its trace: `--one SEED`."""

import argparse
import gc
import logging
import os
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation import sim_faults
from tests.simulation.sim_schedule import Outcome, run

_AT_ONCE = 10


def main() -> int:
    """0 when every schedule ended as the oracle says."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="the first schedule's; the others' follow")
    parser.add_argument("--one", type=int, metavar="SEED", help="play this one alone and print what happened")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--most-failures", type=int, default=20, help="stop after so many")
    options = parser.parse_args()
    _prepare()
    if options.one is not None:
        return _one(options.one)
    seeds = range(options.seed, options.seed + options.schedules)
    if options.jobs == 1:
        return _many(map(_play, seeds), options.most_failures)
    with ProcessPoolExecutor(options.jobs, initializer=_prepare) as pool:
        failed = _many(pool.map(_play, seeds, chunksize=_AT_ONCE), options.most_failures)
        pool.shutdown(cancel_futures=True)
    return failed


def _prepare() -> None:
    """Looking through every module for garbage again and again took a fifth of a schedule."""
    be_quiet()
    gc.freeze()
    gc.disable()


def _play(seed: int) -> Outcome:
    """A schedule, and then its garbage: in the midst of one, most of what is looked through is none."""
    outcome = run(seed)
    gc.collect()
    return outcome


def be_quiet() -> None:
    """The engine tells of every fault it meets, which are thousands."""
    warnings.simplefilter("ignore", RuntimeWarning)
    logging.getLogger("stream").setLevel(logging.CRITICAL + 1)


def _one(seed: int) -> int:
    outcome = run(seed)
    print("\n".join(outcome.trace))
    print(f"{outcome.steps} steps in {outcome.virtual_seconds:.1f} virtual seconds")
    print("\n".join(outcome.problems) if outcome.problems else "no difference")
    return 1 if outcome.problems else 0


def _many(outcomes: Iterable[Outcome], most_failures: int) -> int:
    met: Counter[str] = Counter()
    failed: list[int] = []
    played, began = 0, time.perf_counter()
    for outcome in _until_failed(outcomes, most_failures, failed):
        played += 1
        met.update(outcome.met.keys())
    minutes = (time.perf_counter() - began) / 60
    print(f"{played} schedules, {played / minutes:.0f} a minute; those that met each kind of fault:")
    for kind in sim_faults.EVERY_KIND:
        print(f"  {kind:<44}{met[kind]:>7}")
    print(f"failed: {failed}; see one with --one SEED" if failed else "none failed")
    return 1 if failed else 0


def _until_failed(outcomes: Iterable[Outcome], most: int, failed: list[int]) -> Iterator[Outcome]:
    for outcome in outcomes:
        yield outcome
        if outcome.problems:
            failed.append(outcome.seed)
            print(f"seed {outcome.seed}: {outcome.problems[0]}", flush=True)
        if len(failed) >= most:
            return


if __name__ == "__main__":
    raise SystemExit(main())

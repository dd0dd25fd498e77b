"""A worker whose pipeline fails when it has booked half of every 30th batch."""

import itertools
import sys
from collections.abc import Sequence

from stream.__main__ import main
from stream.engine.lane import Run
from stream.pipeline import Pipeline

FAILED = "chaos: half of the batch is booked"
_EVERY = 30
_real_apply = Pipeline.apply
_numbers = itertools.count(1)


def _apply(pipeline: Pipeline, runs: Sequence[Run], version: int, clock_ms: int, now_ms: int) -> int:
    if next(_numbers) % _EVERY:
        return _real_apply(pipeline, runs, version, clock_ms, now_ms)
    which, records = runs[0] if runs else (0, [])
    _real_apply(pipeline, [(which, records[: (len(records) + 1) // 2])], version, clock_ms, now_ms)
    raise RuntimeError(FAILED)


if __name__ == "__main__":
    # Only in a process of its own: who imports this for its words goes on as before.
    Pipeline.apply = _apply  # type: ignore[method-assign, assignment]
    sys.exit(main())

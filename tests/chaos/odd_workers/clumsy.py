"""A worker whose pipeline fails when it has booked half of every 30th batch, or of the next one that may fail.

A partition that fails three times without a checkpoint in between is left to a person, as promised: that is another
matter, so each life of a partition has two checkpoints behind it when it fails.
"""

import sys
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from stream.__main__ import main
from stream.engine.lane import Run
from stream.pipeline import Pipeline

FAILED = "chaos: half of the batch is booked"
_EVERY = 30
_real_apply = Pipeline.apply
_versions: WeakKeyDictionary[Pipeline, set[int]] = WeakKeyDictionary()
_booked = 0


def _apply(pipeline: Pipeline, runs: Sequence[Run], version: int, clock_ms: int, now_ms: int) -> int:
    global _booked
    seen = _versions.setdefault(pipeline, set())
    seen.add(version)
    _booked += 1
    # The third version is booked when the first one is in Kafka.
    if _booked < _EVERY or len(seen) < 3:
        return _real_apply(pipeline, runs, version, clock_ms, now_ms)
    _booked = 0
    which, records = runs[0] if runs else (0, [])
    _real_apply(pipeline, [(which, records[: (len(records) + 1) // 2])], version, clock_ms, now_ms)
    raise RuntimeError(FAILED)


if __name__ == "__main__":
    # Only in a process of its own: who imports this for its words goes on as before.
    Pipeline.apply = _apply  # type: ignore[method-assign, assignment]
    sys.exit(main())

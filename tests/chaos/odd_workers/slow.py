"""A worker whose restores take three times its session."""

import os
import sys
import time

from stream.__main__ import main
from stream.engine.checkpoint import CheckpointWriter
from stream.engine.processor import Processor
from stream.engine.recovery import Recovery, Restored

SLOW = "chaos: a restore took longer than the session"
_SECONDS = 3 * int(os.environ.get("CREDITSTREAM_SESSION_TIMEOUT_SECONDS", "6"))
_real_run = Recovery.run


def _run(recovery: Recovery, writer: CheckpointWriter, processor: Processor) -> Restored:
    time.sleep(_SECONDS)
    restored = _real_run(recovery, writer, processor)
    print(SLOW, file=sys.stderr, flush=True)
    return restored


if __name__ == "__main__":
    # Only in a process of its own: who imports this for its words goes on as before.
    Recovery.run = _run  # type: ignore[method-assign, assignment]
    sys.exit(main())

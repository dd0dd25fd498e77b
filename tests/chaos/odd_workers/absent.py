"""A worker whose event loop stands still, again and again, for longer than its poll interval; its heartbeats go on.

Two of them take turns: if both stood still at once, nobody would be there to take their partitions over.
"""

import os
import sys
import time
from typing import Any

from stream.__main__ import main
from stream.engine.lane import Batch
from stream.engine.owner import Owner
from stream.engine.transport import GroupMember

STOOD_STILL = "chaos: the event loop stood still"
_POLL_INTERVAL_MS = 8_000
_STANDS_SECONDS = 16.0
_EVERY_SECONDS = 40.0
_real_apply = Owner.apply
_real_consumer = GroupMember._create_worker_consumer
_is_second = os.environ.get("CREDITSTREAM_DATA_FOLDER", "").endswith("1")
_stood_at = time.monotonic() - _EVERY_SECONDS + (30.0 if _is_second else 10.0)


def _consumer(member: GroupMember, transport: Any) -> Any:
    consumer = _real_consumer(member, transport)
    consumer._max_poll_interval_ms = _POLL_INTERVAL_MS
    return consumer


def _apply(owner: Owner, batch: Batch) -> None:
    global _stood_at
    if time.monotonic() - _stood_at > _EVERY_SECONDS:
        time.sleep(_STANDS_SECONDS)
        _stood_at = time.monotonic()
        print(STOOD_STILL, file=sys.stderr, flush=True)
    _real_apply(owner, batch)


if __name__ == "__main__":
    # Only in a process of its own: who imports this for its words goes on as before.
    GroupMember._create_worker_consumer = _consumer  # type: ignore[method-assign, assignment]
    Owner.apply = _apply  # type: ignore[method-assign, assignment]
    sys.exit(main())

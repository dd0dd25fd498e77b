"""Batches of a partition that wait until everything was found that the first of them needs."""

import threading
from collections import deque

from msgspec import Struct

from stream.engine.lane import MOST_BATCHES_UNDER_WAY, Batch


class Parked(Struct, frozen=True, eq=False):
    """In the order in which they came; `cancelled` once they are of no use, as they will be read again."""

    batches: deque[Batch]
    cancelled: threading.Event

    def add(self, batch: Batch) -> None:
        """One more; those beyond what the reader has under way came twice."""
        if len(self.batches) < MOST_BATCHES_UNDER_WAY:
            self.batches.append(batch)

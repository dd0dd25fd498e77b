"""One partition that the group gave to this worker, and where it is in its life."""

import asyncio
import threading
import time
from enum import Enum

from stream.engine.checkpoint import CheckpointWriter
from stream.engine.parked import Parked
from stream.engine.partition import Partition


class Phase(Enum):
    """Where a held partition is in its life."""

    TAKING_OVER = "taking_over"
    RUNNING = "running"
    SUSPENDED = "suspended"
    FAILED = "failed"


class Holding:
    """One life of a partition here: what fails or is lost is dropped whole, and another holding begins.

    `task` is the last of what was begun for it, one after the other; `in_flight` is the one checkpoint under way.
    """

    def __init__(self, number: int, failures: int = 0) -> None:
        self.number = number
        self.failures = failures
        self.failure = ""
        self.phase = Phase.TAKING_OVER
        self.owned = True
        self.seeking = False
        self.partition: Partition | None = None
        self.writer: CheckpointWriter | None = None
        self.cancelled = threading.Event()
        self.task: asyncio.Task[None] | None = None
        self.in_flight: asyncio.Task[None] | None = None
        self.restored_records = 0
        self.waiting_since: float | None = None
        self.held_back_since: float | None = None
        self.parked: Parked | None = None
        self.since = time.monotonic()

    def enter(self, phase: Phase) -> None:
        """Change the phase, noting when."""
        self.phase = phase
        self.since = time.monotonic()

    def count_restored(self, records: int) -> None:
        """So many more were read; called from the thread that restores."""
        self.restored_records += records
        self.since = time.monotonic()

    def unpark(self) -> None:
        """What waits is of no use: it will be read again, or is somebody else's."""
        if self.parked is not None:
            self.parked.cancelled.set()
            self.parked = None

    @property
    def reading(self) -> Partition | None:
        """Its partition, if batches may be booked into it."""
        return self.partition if self.phase is Phase.RUNNING and not self.seeking else None

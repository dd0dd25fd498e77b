"""One partition that the group gave to this worker, and where it is in its life."""

import asyncio
import threading
import time
from enum import Enum

from stream.engine.checkpoint import CheckpointWriter
from stream.engine.partition import Partition


class Phase(Enum):
    """Where a held partition is in its life."""

    TAKING_OVER = "taking_over"
    RUNNING = "running"
    SUSPENDED = "suspended"
    FAILED = "failed"


class Holding:
    """One partition given to this worker."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.phase = Phase.TAKING_OVER
        self.owned = True
        self.seeking = False
        self.partition: Partition | None = None
        self.writer: CheckpointWriter | None = None
        self.cancelled = threading.Event()
        self.task: asyncio.Task[None] | None = None
        self.in_flight: asyncio.Task[None] | None = None
        self.failures = 0
        self.failure = ""
        self.restored_records = 0
        self.waiting_since: float | None = None
        self.since = time.monotonic()

    def enter(self, phase: Phase) -> None:
        """Change the phase, noting when."""
        self.phase = phase
        self.since = time.monotonic()

"""Has the rollups made by a process of their own, in the checkpoints' threads: on a core that would be idle.

Rolling up depends on nothing but charges, and booking waits for none of it. In the worker itself it would take an
eighth of the time that Python has there.
"""

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from io import BufferedReader

from stream.rollups.frames import BrokenFrameError, receive, send
from stream.rollups.roller import Job, encode_job

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
LONGEST_ANSWER_SECONDS = 30.0
_END_SECONDS = 2.0


class RollUpFailedError(Exception):
    """No process rolled a checkpoint up, after every attempt."""


class _Process:
    """One life of the process; whatever goes wrong with it ends it."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        self._connection.settimeout(LONGEST_ANSWER_SECONDS)
        self._reader: BufferedReader = self._connection.makefile("rb")
        with theirs:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "stream.rollups"], stdin=theirs.fileno(), stdout=subprocess.DEVNULL
            )

    def ask(self, job: Job, charges: Sequence[bytes]) -> list[bytes]:
        """Its answer; OSError when there is none."""
        send(self._connection, [encode_job(job), *charges])
        rolled_up = receive(self._reader)
        if rolled_up is None:
            raise BrokenFrameError("it ended")
        return rolled_up

    def end(self) -> None:
        """It ends by itself when nobody is there to ask; one that does not is killed."""
        self._reader.close()
        self._connection.close()
        try:
            self.child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class RollerBeside:
    """A `Roller` in another process, for all partitions of this one.

    The process may end, hang or be killed: then another one is asked the same. It knows nothing of what was before, and
    need not.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: _Process | None = None

    def start(self) -> None:
        """Start the process now, instead of when it is first asked."""
        with self._lock:
            self._started()

    def roll_up(self, job: Job, charges: Sequence[bytes]) -> list[bytes]:
        """The checkpoint's records of rollups; RollUpFailedError after three processes gave none."""
        with self._lock:
            for attempt in range(1, MOST_ATTEMPTS + 1):
                try:
                    return self._started().ask(job, charges)
                except OSError as error:
                    logger.warning(
                        "rolling up partition %s (%s of %s): %s", job.partition, attempt, MOST_ATTEMPTS, error
                    )
                    self._end()
        raise RollUpFailedError(
            f"partition {job.partition}: no process rolled its checkpoint up; what those wrote to stderr tells why"
        )

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _started(self) -> _Process:
        process = self._process
        if process is None:
            process = self._process = _Process()
        return process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()

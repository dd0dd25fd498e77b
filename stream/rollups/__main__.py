"""The process beside a worker: `python -m stream.rollups`, started by it alone, with a socket as its input.

It ends when the worker does, and with whatever it does not understand: the worker then starts another.
"""

import contextlib
import gc
import os
import signal
import socket
import sys

from stream.rollups.frames import BrokenFrameError, receive, send
from stream.rollups.roller import Roller, decode_job

_USAGE_ERROR = 2


def main() -> int:
    """Answer until nobody asks any more."""
    # Signals to the whole group are for the worker, which still needs answers for its last checkpoints.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Rows, keys and charges hold no cycles; looking for them would cost as much as rolling up.
    gc.disable()
    try:
        connection = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    except OSError as error:
        print(f"a worker starts this, with a socket as its input: {error}", file=sys.stderr)
        return _USAGE_ERROR
    answer(connection)
    return 0


def answer(connection: socket.socket) -> None:
    """Roll up what comes over a connection, until its end: a worker that is killed breaks off in the middle."""
    roller = Roller()
    with contextlib.suppress(BrokenFrameError, ConnectionError), connection, connection.makefile("rb") as reader:
        while (parts := receive(reader)) is not None:
            job, *charges = parts
            send(connection, roller.roll_up(decode_job(job), charges))


if __name__ == "__main__":
    sys.exit(main())

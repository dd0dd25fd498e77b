"""Reporters that are open: closed when the process exits, and made anew in a forked child."""

import atexit
import ctypes
import os
from threading import Lock
from typing import Protocol

# confluent_kafka's Producer cannot be closed in a child: librdkafka's threads stayed with the parent, and
# destroying it there waits for them for ever.
_keep_forever = ctypes.pythonapi.Py_IncRef


class OpenReporter(Protocol):
    """What a reporter does at exit and in a forked child."""

    def close(self) -> int: ...
    def start_anew_in_child(self) -> None: ...


_open: set[OpenReporter] = set()
_lock = Lock()


def remember(reporter: OpenReporter) -> None:
    """Has the reporter closed at exit."""
    with _lock:
        _open.add(reporter)


def forget(reporter: OpenReporter) -> None:
    """The reporter was closed."""
    with _lock:
        _open.discard(reporter)


def abandon(producer: object) -> None:
    """Leaves a parent's producer alone in a child: never used, never destroyed."""
    _keep_forever(ctypes.py_object(producer))


def _close_all() -> None:
    for reporter in tuple(_open):
        reporter.close()


def _start_anew_in_child() -> None:
    global _lock
    # Another thread of the parent may have held it at the moment of the fork.
    _lock = Lock()
    for reporter in tuple(_open):
        reporter.start_anew_in_child()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_start_anew_in_child)

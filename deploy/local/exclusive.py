"""One process at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AlreadyHeldError(Exception):
    """Another process holds the lock file."""


@contextmanager
def exclusive(lock_file: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file, once no other process does; the system lets go of it if we die.

    Without `wait`, AlreadyHeldError when another process holds it.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise AlreadyHeldError(str(lock_file)) from None
        yield

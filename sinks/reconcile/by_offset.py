"""Rows in the order of their offsets, met by the records of these offsets: a merge join that holds one row."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class ByOffset(Generic[T]):
    """Takes rows as records come; `skipped` is told of rows that no record has."""

    def __init__(self, rows: Iterable[T], offset_of: Callable[[T], int], skipped: Callable[[T], None]) -> None:
        self._rows = iter(rows)
        self._offset_of = offset_of
        self._skipped = skipped
        self._next = next(self._rows, None)

    def at(self, offset: int) -> list[T]:
        """The rows of a record; those of offsets before it have none."""
        found: list[T] = []
        while self._next is not None and self._offset_of(self._next) <= offset:
            if self._offset_of(self._next) == offset:
                found.append(self._next)
            else:
                self._skipped(self._next)
            self._next = next(self._rows, None)
        return found

    def finish(self) -> None:
        """No record is left."""
        self.at(2**63)

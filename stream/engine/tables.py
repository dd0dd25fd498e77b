"""Tables: rows by key in memory, with a changelog that holds every row as it was last committed."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from stream.engine.outbox import Record


class Row(Protocol):
    """A table's row; `version` is the checkpoint that writes its current content."""

    version: int


class Changelogged(Protocol):
    """State that is restored from a changelog, which has its rows as they were last committed."""

    @property
    def changelog(self) -> str:
        """The topic."""

    def restore(self, key: bytes, value: bytes | None) -> int:
        """Take a row from the changelog, or its removal; the version that wrote it."""

    def finish_restore(self) -> None:
        """Every row of every table was read."""

    def drain(self) -> list[Record]:
        """The rows that changed since the last call, encoded."""


K = TypeVar("K", bound=str | bytes)
R = TypeVar("R", bound=Row)


class Table(dict[K, R], Generic[K, R]):
    """Reads like a mapping. Whoever changes a row sets its version, and notes it in `changed` the first time:

    if row.version != version:
        row.version = version
        table.changed.append(row)
    """

    def __init__(
        self,
        changelog: str,
        key_of: Callable[[R], bytes],
        encode: Callable[[R], bytes],
        parse_key: Callable[[bytes], K],
        decode: Callable[[bytes], R],
    ) -> None:
        super().__init__()
        self.changelog = changelog
        self.changed: list[R] = []
        self._removed: list[bytes] = []
        self._key_of = key_of
        self._encode = encode
        self._parse_key = parse_key
        self._decode = decode

    def restore(self, key: bytes, value: bytes | None) -> int:
        """Take a row from the changelog, or its removal; the row's version."""
        if value is None:
            self.pop(self._parse_key(key), None)
            return 0
        row = self._decode(value)
        self[self._parse_key(key)] = row
        return row.version

    def finish_restore(self) -> None:
        """Rows are decoded as they come."""

    def remove(self, key: K) -> None:
        """Forget a row that has no unwritten change, here and in the changelog."""
        self._removed.append(self._key_of(self.pop(key)))

    def drain(self) -> list[Record]:
        """The changed rows, encoded; from here on nothing has changed."""
        changelog, key_of, encode = self.changelog, self._key_of, self._encode
        # Removals first: a key that was removed and came back is there.
        records: list[Record] = [(changelog, key, None) for key in self._removed]
        records += [(changelog, key_of(row), encode(row)) for row in self.changed]
        self.changed = []
        self._removed = []
        return records

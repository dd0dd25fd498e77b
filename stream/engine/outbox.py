"""What a checkpoint writes: records of tables, outputs and logs, encoded and bounded."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct

Record = tuple[str, bytes | None, bytes | None]
"""Topic, key, value; a row without value was removed. Every record goes to the partition that wrote it."""

Later = Callable[[], list[Record]]
"""Works records out; it may block."""

T = TypeVar("T")


class Outbox(Struct, frozen=True):
    """What is to be written: these records, and those that `later` makes of what was drained.

    `later` is called once, in the checkpoint's thread: its time is not taken from booking. What it raises fails the
    partition, which is taken over again.
    """

    records: list[Record]
    later: Later | None = None


def pack(
    rows: Sequence[T], encode: Callable[[Sequence[T]], bytes], limit_bytes: int, rows_at_once: int
) -> list[tuple[int, bytes]]:
    """Rows in records of at most `limit_bytes`, each with the place of its first row; a larger row stands alone."""
    packed: list[tuple[int, bytes]] = []
    for first in range(0, len(rows), rows_at_once):
        _pack_chunk(rows[first : first + rows_at_once], first, encode, limit_bytes, packed)
    return packed


def _pack_chunk(
    rows: Sequence[T],
    first: int,
    encode: Callable[[Sequence[T]], bytes],
    limit_bytes: int,
    packed: list[tuple[int, bytes]],
) -> None:
    value = encode(rows)
    if len(value) <= limit_bytes or len(rows) == 1:
        packed.append((first, value))
        return
    middle = len(rows) // 2
    _pack_chunk(rows[:middle], first, encode, limit_bytes, packed)
    _pack_chunk(rows[middle:], first + middle, encode, limit_bytes, packed)

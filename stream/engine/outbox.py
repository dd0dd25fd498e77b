"""What a checkpoint writes: records of tables, outputs and logs, encoded and bounded."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Record = tuple[str, bytes | None, bytes | None]
"""Topic, key, value; a row without value was removed. Every record goes to the partition that wrote it."""

T = TypeVar("T")


def pack(
    rows: Sequence[T], encode: Callable[[Sequence[T], int], bytes], limit_bytes: int, rows_at_once: int
) -> list[bytes]:
    """Rows in records of at most `limit_bytes`; a single row larger than that stands alone.

    `encode` is given rows and the place of the first among all of them.
    """
    packed: list[bytes] = []
    for first in range(0, len(rows), rows_at_once):
        _pack_chunk(rows[first : first + rows_at_once], first, encode, limit_bytes, packed)
    return packed


def _pack_chunk(
    rows: Sequence[T],
    first: int,
    encode: Callable[[Sequence[T], int], bytes],
    limit_bytes: int,
    packed: list[bytes],
) -> None:
    value = encode(rows, first)
    if len(value) <= limit_bytes or len(rows) == 1:
        packed.append(value)
        return
    middle = len(rows) // 2
    _pack_chunk(rows[:middle], first, encode, limit_bytes, packed)
    _pack_chunk(rows[middle:], first + middle, encode, limit_bytes, packed)

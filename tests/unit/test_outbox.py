"""Rows are packed into records of a bounded size."""

from collections.abc import Sequence

import pytest

from stream.engine.outbox import pack


def encode(rows: Sequence[int]) -> bytes:
    """A byte before all rows, and for each row as many as it says."""
    return b"." + b"".join(b"x" * row for row in rows)


@pytest.mark.parametrize(
    ("rows", "limit_bytes", "rows_at_once", "sizes"),
    [
        ([], 10, 4, []),
        ([1, 1, 1], 10, 4, [(0, 3)]),
        ([1] * 9, 10, 20, [(0, 9)]),
        ([1] * 10, 10, 20, [(0, 5), (5, 5)]),
        ([1] * 6, 10, 4, [(0, 4), (4, 2)]),
        ([50, 1, 1], 10, 4, [(0, 50), (1, 2)]),
        ([1, 50, 1, 50], 10, 4, [(0, 1), (1, 50), (2, 1), (3, 50)]),
    ],
)
def test_rows_are_halved_until_they_fit(
    rows: list[int], limit_bytes: int, rows_at_once: int, sizes: list[tuple[int, int]]
) -> None:
    """Each row is rows by their size, the bounds, and (place of the first, bytes) of each record.

    A single row above the limit stands alone.
    """
    packed = pack(rows, encode, limit_bytes, rows_at_once)
    assert [(first, len(value) - 1) for first, value in packed] == sizes

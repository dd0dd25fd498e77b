"""Sorted runs of remembered ids: how they are searched and merged, a batch at a time.

A remembered id takes 24 bytes, in three columns: the two halves of its identity and its mark, which is 32 bits of
content above the 32-bit time at which it was admitted, in milliseconds from the window's base.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.uint64]
Columns = NDArray[np.uint64]
"""Shape (3, ids): high half of the identity, low half, mark; ascending by the high half."""

BYTES_PER_ID = 24
CONTENT_SHIFT = np.uint64(32)
ADMITTED_AT = np.uint64(2**32 - 1)


class Run:
    """An immutable run; `keys` is its first column as Python reads it fastest, an id at a time."""

    __slots__ = ("columns", "hi", "keys", "lo", "mark")

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.hi, self.lo, self.mark = columns
        self.keys: memoryview[int] = memoryview(self.hi)

    def __len__(self) -> int:
        return len(self.keys)


class Lookup(NamedTuple):
    """Ids to look for, ascending by `hi`; `found` gets the mark of what is remembered, 0 where nothing is.

    An id counts as remembered if it was admitted at `oldest` or later; `oldest` is never 0.
    """

    hi: Column
    lo: Column
    oldest: Column
    found: Column

    def part(self, first: int, last: int) -> "Lookup":
        """Some of the ids, with the same memory behind them."""
        return Lookup(self.hi[first:last], self.lo[first:last], self.oldest[first:last], self.found[first:last])


def match(run: Run, lookup: Lookup) -> None:
    """Writes into `lookup.found` the marks of the ids that this run remembers."""
    if not len(run):
        return
    places = run.hi.searchsorted(lookup.hi)
    same = run.hi.take(places, mode="clip") == lookup.hi
    if not same.any():
        return
    rows = np.flatnonzero(same)
    places = places[rows]
    # Once, but for ids that share the high half: an expired admission of the same id, a collision.
    while rows.size:
        marks = run.mark[places]
        hits = (run.lo[places] == lookup.lo[rows]) & ((marks & ADMITTED_AT) >= lookup.oldest[rows])
        lookup.found[rows[hits]] = marks[hits]
        rows, places = rows[~hits], places[~hits] + 1
        inside = places < len(run)
        rows, places = rows[inside], places[inside]
        same = run.hi[places] == lookup.hi[rows]
        rows, places = rows[same], places[same]


def sort_columns(columns: Columns) -> Columns:
    """The same ids, ascending by the high half."""
    ascending: Columns = columns.take(columns[0].argsort(), axis=1)
    return ascending


def merge(one: Columns, other: Columns, oldest: int) -> Columns:
    """The ids of both that were admitted at `oldest` or later."""
    one, other = _unexpired(one, oldest), _unexpired(other, oldest)
    places = one[0].searchsorted(other[0], side="right") + np.arange(other.shape[1])
    merged = np.empty((3, one.shape[1] + other.shape[1]), np.uint64)
    from_one = np.ones(merged.shape[1], np.bool_)
    from_one[places] = False
    for column in range(3):
        merged[column, places] = other[column]
        merged[column, from_one] = one[column]
    return merged


def split(columns: Columns, rows_most: int) -> list[Run]:
    """Runs of about half that many ids, or one if it is short enough; ids with equal high halves stay together."""
    rows = columns.shape[1]
    if rows <= rows_most:
        return [Run(columns)]
    middles = np.linspace(0, rows, num=2 * -(-rows // rows_most) + 1, dtype=np.int64)[1:-1]
    cuts = np.unique(columns[0].searchsorted(columns[0][middles]))
    edges = [0, *(cut for cut in cuts.tolist() if cut), rows]
    return [Run(columns[:, first:last].copy()) for first, last in pairwise(edges)]


def rebase(columns: Columns, by_ms: int) -> Columns:
    """The same ids with times counted from a base that much later; what was before it becomes 0, never recognised."""
    moved = columns.copy()
    moved[2] -= np.minimum(columns[2] & ADMITTED_AT, np.uint64(by_ms))
    return moved


def _unexpired(columns: Columns, oldest: int) -> Columns:
    kept = (columns[2] & ADMITTED_AT) >= np.uint64(oldest)
    return columns if kept.all() else columns.compress(kept, axis=1)

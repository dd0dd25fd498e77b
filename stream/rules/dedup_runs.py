"""Sorted runs of remembered ids: how they are searched and merged, a batch at a time.

A remembered id takes 24 bytes, in three columns: the two halves of its identity and its mark, which is 32 bits of
content above the 32-bit time at which it was admitted, in milliseconds from the window's base.
"""

from bisect import bisect_left
from itertools import pairwise
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.uint64]
Columns = NDArray[np.uint64]
"""Shape (3, ids): high half of the identity, low half, mark; ascending by the high half."""

BYTES_PER_ID = 24
BLOCK_ROWS = 32
"""Of 16, 32 and 64 the one with which 10 million ids were searched fastest."""
_CACHED_ROWS = 1 << 16
_MAPPED_BYTES = 1 << 18
CONTENT_SHIFT = np.uint64(32)
ADMITTED_AT = np.uint64(2**32 - 1)


class Run:
    """An immutable run.

    `fences` are the first keys of its blocks: few enough to stay in the processor's caches, where a binary search
    of the column itself would wait for memory ten times.
    """

    __slots__ = ("_blocks", "_fence_keys", "blocks", "columns", "fences", "hi", "keys", "lo", "mark")

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.hi, self.lo, self.mark = columns
        self.keys: memoryview[int] = memoryview(self.hi)
        whole = len(self.hi) // BLOCK_ROWS
        self.blocks = self.hi[: whole * BLOCK_ROWS].reshape(whole, BLOCK_ROWS)
        self.fences = self.hi[::BLOCK_ROWS].copy()
        self._fence_keys: memoryview[int] = memoryview(self.fences)
        self._blocks = len(self.fences)

    def __len__(self) -> int:
        return len(self.keys)

    def place_of(self, key: int) -> int | None:
        """The first place of a key, if it is there."""
        block = bisect_left(self._fence_keys, key)
        if not block:
            place = 0
        elif block < self._blocks:
            place = bisect_left(self.keys, key, (block - 1) * BLOCK_ROWS, block * BLOCK_ROWS)
        else:
            place = bisect_left(self.keys, key, (block - 1) * BLOCK_ROWS)
            if place == len(self.keys):
                return None
        return place if self._blocks and self.keys[place] == key else None


class Lookup(NamedTuple):
    """Ids to look for, ascending by `hi`; `found` gets the mark of what is remembered, 0 where nothing is.

    An id counts as remembered if it was admitted at `oldest` or later; `oldest` is never 0.
    """

    hi: Column
    lo: Column
    oldest: Column
    found: Column


def match(run: Run, lookup: Lookup) -> None:
    """Looks for ids in one run."""
    if len(run) > _CACHED_ROWS:
        match_leaves([run], [0, len(lookup.hi)], lookup)
    elif len(run):
        places = run.hi.searchsorted(lookup.hi)
        rows = np.flatnonzero(run.hi.take(places, mode="clip") == lookup.hi)
        match_at(run, lookup, rows, places[rows])


def match_leaves(leaves: list[Run], cuts: list[int], lookup: Lookup) -> None:
    """Looks for the ids from each cut to the next in one leaf each."""
    blocks = np.empty((len(lookup.hi), BLOCK_ROWS), np.uint64)
    for leaf, (first, last) in zip(leaves, pairwise(cuts), strict=True):
        if first != last:
            _read_blocks(leaf, lookup.hi[first:last], blocks[first:last])
    # Eight answers of a byte each at a time.
    equal = (blocks == lookup.hi[:, np.newaxis]).view(np.uint64)
    candidates = np.flatnonzero(np.bitwise_or.reduce(equal, axis=1))
    if candidates.size:
        edges = candidates.searchsorted(cuts).tolist()
        for leaf, (first, last) in zip(leaves, pairwise(edges), strict=True):
            rows = candidates[first:last]
            match_at(leaf, lookup, rows, leaf.hi.searchsorted(lookup.hi[rows]))


def _read_blocks(run: Run, hi: Column, blocks: NDArray[np.uint64]) -> None:
    """For each id the block that holds it, if the run does; what is behind the last whole block is not told."""
    if len(run.blocks):
        run.blocks.take(run.fences.searchsorted(hi, side="right") - 1, axis=0, out=blocks, mode="clip")
    behind = len(run.blocks) * BLOCK_ROWS
    if behind != len(run) and hi[-1] >= run.hi[behind]:
        first = 0 if not behind else int(hi.searchsorted(run.hi[behind]))
        blocks[first:] = hi[first:, np.newaxis]
    elif not behind:
        blocks[:] = ~hi[:, np.newaxis]


def match_at(run: Run, lookup: Lookup, rows: NDArray[np.intp], places: NDArray[np.intp]) -> None:
    """Writes the marks of ids that this run remembers, given the first place where each may be."""
    if not len(run):
        return
    # Once, but for ids that share the high half: an expired admission of the same id, a collision.
    while rows.size:
        same = (run.hi.take(places, mode="clip") == lookup.hi[rows]) & (places < len(run))
        rows, places = rows[same], places[same]
        marks = run.mark[places]
        hits = (run.lo[places] == lookup.lo[rows]) & ((marks & ADMITTED_AT) >= lookup.oldest[rows])
        lookup.found[rows[hits]] = marks[hits]
        rows, places = rows[~hits], places[~hits] + 1


def allocate(rows: int) -> Columns:
    """Columns to be filled, in memory that goes back to the system when they are done with."""
    size = rows * BYTES_PER_ID
    if size < _MAPPED_BYTES:
        return np.empty((3, rows), np.uint64)
    # Leaves differ a little in size at every merge: on the heap, what they left behind was half as much again.
    return np.frombuffer(mmap(-1, size, MAP_PRIVATE | MAP_ANONYMOUS), np.uint64).reshape(3, rows)


def sort_columns(columns: Columns) -> Columns:
    """The same ids, ascending by the high half."""
    ascending = allocate(columns.shape[1])
    columns.take(columns[0].argsort(), axis=1, out=ascending, mode="clip")
    return ascending


def merge(one: Columns, other: Columns, oldest: int) -> Columns:
    """The ids of both that were admitted at `oldest` or later."""
    one, other = _unexpired(one, oldest), _unexpired(other, oldest)
    places = one[0].searchsorted(other[0], side="right") + np.arange(other.shape[1])
    merged = allocate(one.shape[1] + other.shape[1])
    is_from_one = np.ones(merged.shape[1], np.bool_)
    is_from_one[places] = False
    # Places, not the mask itself: 6 ns an id against 14.
    places_of_one = np.flatnonzero(is_from_one)
    for column in range(3):
        merged[column][places] = other[column]
        merged[column][places_of_one] = one[column]
    return merged


def split(columns: Columns, rows_most: int) -> list[Run]:
    """Runs of at most about that many ids; ids with equal high halves stay together."""
    rows = columns.shape[1]
    if rows <= rows_most:
        return [Run(columns)]
    middles = np.linspace(0, rows, num=-(-rows // rows_most) + 1, dtype=np.int64)[1:-1]
    cuts = np.unique(columns[0].searchsorted(columns[0][middles]))
    edges = [0, *(cut for cut in cuts.tolist() if cut), rows]
    return [Run(copy(columns[:, first:last])) for first, last in pairwise(edges)]


def copy(columns: Columns) -> Columns:
    """The same ids in memory of their own."""
    copied = allocate(columns.shape[1])
    copied[:] = columns
    return copied


def rebase(columns: Columns, by_ms: int) -> Columns:
    """The same ids with times counted from a base that much later; what was before it becomes 0, never recognised."""
    moved = copy(columns)
    moved[2] -= np.minimum(columns[2] & ADMITTED_AT, np.uint64(by_ms))
    return moved


def _unexpired(columns: Columns, oldest: int) -> Columns:
    kept = (columns[2] & ADMITTED_AT) >= np.uint64(oldest)
    return columns if kept.all() else columns.compress(kept, axis=1)

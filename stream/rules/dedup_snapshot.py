"""Everything a dedup window remembers, as plain arrays for a local file."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.rules.dedup_index import TIERS, Index, Sizes
from stream.rules.dedup_runs import Run, copy

_FORMAT = 1
_HEADER_FIELDS = 4 + TIERS + 1
_MOST_ARRAYS = 1 << 20


class BadSnapshotError(Exception):
    """A snapshot that cannot be used: remember from the dedup log instead."""


class Clock(Struct, frozen=True):
    """The times of a window, in milliseconds: its width, what marks count from, and now, since 1970."""

    window_ms: int
    base_ms: int
    clock_ms: int


def take(index: Index, clock: Clock) -> list[NDArray[np.uint64]]:
    """A header, the leaves of each tier, and what waits to be merged; nothing is copied."""
    blocks = [[leaf.columns for leaf in tier.leaves] for tier in index.tiers]
    loose = [columns for tier in index.tiers for columns in tier.unmerged()]
    counts = [len(block) for block in blocks]
    header = [_FORMAT, clock.window_ms, clock.base_ms, clock.clock_ms, *counts, len(loose)]
    leaves = [columns for block in blocks for columns in block]
    return [np.array(header, np.int64).view(np.uint64), *leaves, *loose]


def load(arrays: Iterable[NDArray[np.uint64]], sizes: Sizes) -> tuple[Index, Clock]:
    """What was taken; arrays are read and copied one by one. BadSnapshotError says what is wrong with them."""
    remaining = iter(arrays)
    clock, counts = _read_header(next(remaining, None))
    oldest = clock.clock_ms - clock.window_ms - clock.base_ms
    index = Index(sizes)
    *tier_counts, loose = counts
    for tier, count in zip(index.tiers, tier_counts, strict=True):
        leaves = [run for run in (_read_run(remaining) for _ in range(count)) if len(run)]
        if any(one.keys[-1] >= other.keys[0] for one, other in pairwise(leaves)):
            raise BadSnapshotError("a snapshot of the dedup window has leaves out of order; read the log instead")
        tier.add(leaves)
    for _ in range(loose):
        index.insert(_read_run(remaining).columns, oldest)
    return index, clock


def _read_header(header: NDArray[np.uint64] | None) -> tuple[Clock, list[int]]:
    if header is None or header.dtype != np.uint64 or header.shape != (_HEADER_FIELDS,):
        raise BadSnapshotError("a snapshot of the dedup window has no header; read the log instead")
    format_, window_ms, base_ms, clock_ms, *counts = header.view(np.int64).tolist()
    if format_ != _FORMAT:
        raise BadSnapshotError(f"a snapshot of the dedup window has format {format_}, not {_FORMAT}; read the log")
    if window_ms <= 0 or clock_ms <= base_ms + window_ms or not all(0 <= count < _MOST_ARRAYS for count in counts):
        raise BadSnapshotError("the header of a snapshot of the dedup window makes no sense; read the log instead")
    return Clock(window_ms, base_ms, clock_ms), counts


def _read_run(remaining: Iterator[NDArray[np.uint64]]) -> Run:
    array = next(remaining, None)
    if array is None:
        raise BadSnapshotError("a snapshot of the dedup window ends early; read the log instead")
    if array.dtype != np.uint64 or array.ndim != 2 or len(array) != 3:
        raise BadSnapshotError(f"a snapshot of the dedup window has a block of shape {array.shape}; read the log")
    columns = copy(array)
    if (columns[0, 1:] < columns[0, :-1]).any():
        raise BadSnapshotError("a snapshot of the dedup window has a block out of order; read the log instead")
    return Run(columns)

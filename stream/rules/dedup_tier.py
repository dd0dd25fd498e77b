"""A tier of remembered ids: leaves of sorted runs, into which other runs are merged one leaf at a time.

What waits to be merged is searched like the leaves, so that a merge may take as many calls as it likes.
"""

from bisect import bisect_right
from collections import deque

import numpy as np

from stream.rules.dedup_runs import Columns, Lookup, Run, match, match_at, match_leaves, merge, rebase, split

_ROWS_PER_LEAF = 4
"""With fewer ids than that to look for, each is searched on its own."""


class Tier:
    """Leaves in ascending order; leaf i holds the ids whose high half is in [bounds[i], bounds[i + 1])."""

    __slots__ = ("_credit", "_pace", "_taken", "bounds", "leaves", "rows", "waiting")

    def __init__(self) -> None:
        self.leaves: list[Run] = []
        self.bounds: list[int] = []
        self.waiting: deque[Run] = deque()
        self.rows = 0
        self._taken = 0
        self._pace = 0
        self._credit = 0

    @property
    def held_rows(self) -> int:
        """Ids that take memory: those of the leaves, and of the runs that are not yet merged to their end."""
        return self.rows + sum(len(run) for run in self.waiting)

    def find(self, lookup: Lookup) -> None:
        """Looks for ids in the leaves and in what waits."""
        rows = len(lookup.hi)
        for run in self.waiting:
            match(run, lookup)
        if len(self.leaves) == 1:
            match(self.leaves[0], lookup)
        elif rows < _ROWS_PER_LEAF * len(self.leaves):
            self._find_each(lookup)
        elif self.leaves:
            bounds = np.array(self.bounds[1:], np.uint64)
            match_leaves(self.leaves, [0, *lookup.hi.searchsorted(bounds).tolist(), rows], lookup)

    def _find_each(self, lookup: Lookup) -> None:
        """A search of its own for every id: for a few ids that is less than a call for every leaf."""
        for row, key in enumerate(lookup.hi.tolist()):
            leaf = self.leaves[bisect_right(self.bounds, key) - 1]
            place = leaf.place_of(key)
            if place is not None:
                match_at(leaf, lookup, np.array([row]), np.array([place]))

    def add(self, runs: list[Run]) -> None:
        """Takes runs that ascend from one to the next, such as another tier's leaves; they wait to be merged."""
        runs = [run for run in runs if len(run)]
        added = sum(len(run) for run in runs)
        if not added:
            return
        if not self.leaves and not self.waiting:
            self._set_leaves(runs)
            return
        self.waiting.extend(runs)
        # Twice the pace that is needed to be done when as many new ids have come.
        self._pace = 2 * (1 + -(-self.rows // added))
        self._credit = 0

    def work(self, new_rows: int, oldest: int, leaf_rows: int) -> None:
        """Merges as many leaves as so many new ids pay for, dropping what was admitted before `oldest`."""
        if self.waiting:
            self._credit += new_rows * self._pace
            while self.waiting and self._credit > 0:
                self._credit -= self._merge_leaf(oldest, leaf_rows)

    def finish(self, oldest: int, leaf_rows: int) -> None:
        """Merges all that waits."""
        while self.waiting:
            self._merge_leaf(oldest, leaf_rows)

    def release(self) -> list[Run]:
        """Hands over the leaves of a tier in which nothing waits, and is empty after that."""
        leaves = self.leaves
        self._set_leaves([])
        return leaves

    def unmerged(self) -> list[Columns]:
        """What waits and is in no leaf yet."""
        return [run.columns[:, 0 if place else self._taken :] for place, run in enumerate(self.waiting)]

    def drop_expired(self, oldest: int, leaf_rows: int) -> None:
        """Merges all that waits and drops every id admitted before `oldest`."""
        self.finish(oldest, leaf_rows)
        nothing = np.empty((3, 0), np.uint64)
        # One leaf at a time: both forms of all of them together would be twice the memory.
        for place, leaf in enumerate(self.leaves):
            self.leaves[place] = Run(merge(leaf.columns, nothing, oldest))
        self._set_leaves([leaf for leaf in self.leaves if len(leaf)])

    def rebase(self, by_ms: int) -> None:
        """Counts every time from a base that much later."""
        for runs in (self.leaves, self.waiting):
            for place, run in enumerate(runs):
                runs[place] = Run(rebase(run.columns, by_ms))

    def _merge_leaf(self, oldest: int, leaf_rows: int) -> int:
        """Merges what waits for one leaf into it; returns the ids this touched."""
        run = self.waiting[0]
        index = bisect_right(self.bounds, run.keys[self._taken]) - 1
        end = len(run)
        if index + 1 < len(self.bounds):
            end = int(run.hi.searchsorted(np.uint64(self.bounds[index + 1])))
        leaf = self.leaves[index]
        columns = merge(leaf.columns, run.columns[:, self._taken : end], oldest)
        leaves = split(columns, leaf_rows)
        self.leaves[index : index + 1] = leaves
        self.bounds[index : index + 1] = [self.bounds[index], *(part.keys[0] for part in leaves[1:])]
        self.rows += columns.shape[1] - len(leaf)
        touched = len(leaf) + end - self._taken
        self._taken = end
        if end == len(run):
            self.waiting.popleft()
            self._taken = 0
        return touched

    def _set_leaves(self, leaves: list[Run]) -> None:
        self.leaves = leaves
        self.bounds = [0 if place == 0 else leaf.keys[0] for place, leaf in enumerate(leaves)]
        self.rows = sum(len(leaf) for leaf in leaves)

"""Exact deduplication over a window of time: is this id new, a duplicate, or taken by an event with other content?

An id is remembered from its admission until the input's clock is more than the window past it. The clock is the
greatest append time seen, so that the answers depend on the input alone, however it is cut into batches.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stream.rules import dedup_snapshot
from stream.rules.dedup_batch import Batch, Outcome
from stream.rules.dedup_index import Index, Sizes
from stream.rules.dedup_log import PACKED_ID_BYTES, Admitted, pack, unpack
from stream.rules.dedup_runs import ADMITTED_AT, BYTES_PER_ID, CONTENT_SHIFT, Column, Columns, sort_columns
from stream.rules.dedup_snapshot import BadSnapshotError, Clock
from stream.rules.identity import IDENTITY_BYTES

__all__ = ["WIDEST_WINDOW_MS", "BadSnapshotError", "DedupBudgetError", "DedupWindow", "Outcome", "Sizes"]

WIDEST_WINDOW_MS = 40 * 24 * 3_600_000
"""Times are 32 bits of milliseconds, which is 49 days; what is left is how long they count from one base."""

_LATEST = 2**32 - 1
_RECENT_BYTES_PER_ID = 240
"""What CPython takes for an id in a dict: its bytes, its mark and its slot."""


class DedupBudgetError(Exception):
    """The ids of the window take more memory than they may."""


class DedupWindow:
    """The ids admitted within `window_ms`. 24 bytes an id, 40 while merging; `budget_bytes` is checked at restore."""

    def __init__(self, window_ms: int, budget_bytes: int, *, sizes: Sizes | None = None) -> None:
        if not 0 < window_ms <= WIDEST_WINDOW_MS:
            raise ValueError(f"a dedup window of {window_ms} ms is not above 0 and at most {WIDEST_WINDOW_MS} ms")
        self._window_ms = window_ms
        self._budget_bytes = budget_bytes
        self._sizes = Sizes() if sizes is None else sizes
        self._index = Index(self._sizes)
        self._recent: dict[bytes, int] = {}
        self._undrained: list[Admitted] = []
        self._restored: list[Columns] = []
        self._restored_rows = 0
        self._clock_ms: int | None = None
        self._base_ms = 0

    def __len__(self) -> int:
        """Ids that take memory, expired ones included until a merge drops them."""
        return self._index.rows + len(self._recent) + self._restored_rows

    @property
    def memory_bytes(self) -> int:
        """What the ids take now; a merge in hand takes the size of two leaves more."""
        sorted_bytes = BYTES_PER_ID * (self._index.rows + self._restored_rows)
        undrained_bytes = PACKED_ID_BYTES * sum(len(batch.is_new) for batch in self._undrained)
        return sorted_bytes + _RECENT_BYTES_PER_ID * len(self._recent) + undrained_bytes

    @property
    def is_over_budget(self) -> bool:
        """Whether the ids take more than agreed, which a running window reports and survives."""
        return self.memory_bytes > self._budget_bytes

    def expire(self, clock_ms: int) -> None:
        """Sets the clock, never back: ids admitted more than the window before it are no longer recognised."""
        if self._clock_ms is None:
            self._base_ms = clock_ms - self._window_ms - 1
        elif clock_ms <= self._clock_ms:
            return
        elif clock_ms > self._base_ms + _LATEST:
            self._rebase(clock_ms - self._window_ms - 1)
        self._clock_ms = clock_ms

    def admit(
        self,
        identities: bytes,
        contents: list[int] | NDArray[np.uint64],
        ingested_at_ms: int | list[int] | NDArray[np.int64],
    ) -> NDArray[np.uint8]:
        """An Outcome for each id of a batch, in order; new ones are remembered, and met by the rows after them.

        16 bytes of `identities` and 64 bits of `contents` a row; the append time of each row, or one for all.
        """
        rows = len(identities) // IDENTITY_BYTES
        outcomes = np.empty(rows, np.uint8)
        if not rows:
            return outcomes
        self._settle_restored()
        content = np.asarray(contents, np.uint64) & ADMITTED_AT
        ingested_ms = np.broadcast_to(np.asarray(ingested_at_ms, np.int64), rows)
        clocks_ms = np.maximum.accumulate(ingested_ms)
        if self._clock_ms is not None:
            clocks_ms = np.maximum(clocks_ms, self._clock_ms)
        first = 0
        while first < rows:
            self.expire(int(clocks_ms[first]))
            # All of them, unless more than the 49 days that times can tell apart lie within the batch.
            last = int(clocks_ms.searchsorted(self._base_ms + _LATEST, side="right"))
            part = slice(first, last)
            some = identities[IDENTITY_BYTES * first : IDENTITY_BYTES * last]
            outcomes[part] = self._admit_part(some, content[part], ingested_ms[part], clocks_ms[part])
            first = last
        self.expire(int(clocks_ms[-1]))
        return outcomes

    def drain_new(self) -> bytes:
        """The ids admitted since the last drain, in order, 28 bytes each, for the dedup log of the checkpoint.

        It may be cut between ids, and drains one after another are one drain.
        """
        packed = pack(self._undrained)
        self._undrained = []
        return packed

    def restore(self, packed: bytes) -> None:
        """Remembers what was drained; in the log's order, best after `expire` with the clock that progress holds.

        DedupBudgetError if the ids of the window take more than the budget.
        """
        ids = unpack(packed)
        if not len(ids.hi):
            return
        self.expire(int(ids.admitted_at_ms.max()))
        columns = np.empty((3, len(ids.hi)), np.uint64)
        columns[0], columns[1] = ids.hi, ids.lo
        columns[2] = self._marks(ids.content, ids.admitted_at_ms)
        columns = columns.compress((columns[2] & ADMITTED_AT) >= np.uint64(self._oldest), axis=1)
        self._restored.append(columns)
        self._restored_rows += columns.shape[1]
        sorted_at_once = min(self._index.rows // 10, self._sizes.restored_most)
        if self._restored_rows > max(sorted_at_once, self._sizes.least):
            self._settle_restored()
            self._check_budget()

    def finish_restore(self) -> None:
        """Sorts in what was restored last; DedupBudgetError if the ids of the window take more than the budget."""
        self._settle_restored()
        self._check_budget()

    def snapshot(self) -> list[NDArray[np.uint64]]:
        """Everything remembered, for a local file: it belongs to the last drain, so take it right after one.

        The arrays are never written to again: they may be saved while admission goes on.
        """
        self._settle_restored()
        self._settle_recent()
        if self._clock_ms is None:
            self.expire(0)
        return dedup_snapshot.take(self._index, Clock(self._window_ms, self._base_ms, self._clock_ms or 0))

    @classmethod
    def from_snapshot(
        cls,
        arrays: Iterable[NDArray[np.uint64]],
        window_ms: int,
        budget_bytes: int,
        *,
        sizes: Sizes | None = None,
    ) -> "DedupWindow":
        """The window as it was; each array is copied when it is its turn, so that they may be read one by one.

        BadSnapshotError if they are not a snapshot, or one of a narrower window; DedupBudgetError as restore.
        """
        window = cls(window_ms, budget_bytes, sizes=sizes)
        window._index, clock = dedup_snapshot.load(arrays, window._sizes)
        if clock.window_ms < window_ms:
            raise BadSnapshotError(
                f"a snapshot of a dedup window of {clock.window_ms} ms does not serve one of {window_ms} ms; "
                "read the log instead"
            )
        window._base_ms, window._clock_ms = clock.base_ms, clock.clock_ms
        window._check_budget()
        return window

    @property
    def _oldest(self) -> int:
        """The least time of a mark that is still recognised; above 0, which stands for long ago."""
        return 1 if self._clock_ms is None else self._clock_ms - self._window_ms - self._base_ms

    def _marks(self, content: Column, admitted_at_ms: NDArray[np.int64]) -> Column:
        at = np.maximum(admitted_at_ms - self._base_ms, 0).astype(np.uint64)
        return content << CONTENT_SHIFT | at

    def _admit_part(
        self,
        identities: bytes,
        content: Column,
        ingested_ms: NDArray[np.int64],
        clocks_ms: NDArray[np.int64],
    ) -> NDArray[np.uint8]:
        oldest = (clocks_ms - (self._window_ms + self._base_ms)).astype(np.uint64)
        batch = Batch(identities, self._marks(content, ingested_ms), oldest)
        # Merging a few ids into a tier would cost more than all of their lookups: they go through a dict.
        if len(content) < self._sizes.small_batch:
            self._index.find(batch.lookup)
            outcomes = batch.judge_with(self._recent)
            if len(self._recent) >= self._sizes.recent:
                self._settle_recent()
        else:
            self._settle_recent()
            self._index.find(batch.lookup)
            outcomes = batch.judge()
            self._index.insert(batch.new_columns(outcomes), self._oldest)
        is_new = outcomes == Outcome.NEW
        if is_new.any():
            self._undrained.append(Admitted(identities, content, ingested_ms, is_new))
        return outcomes

    def _settle_recent(self) -> None:
        """Sorts the recent ids into the tiers."""
        if self._recent:
            columns = np.empty((3, len(self._recent)), np.uint64)
            columns[:2] = np.frombuffer(b"".join(self._recent), "<u8").reshape(-1, 2).T
            columns[2] = np.fromiter(self._recent.values(), np.uint64, len(self._recent))
            self._recent = {}
            self._index.insert(sort_columns(columns), self._oldest)

    def _settle_restored(self) -> None:
        """Sorts the restored ids into the tiers."""
        if self._restored:
            columns = np.concatenate(self._restored, axis=1)
            self._restored, self._restored_rows = [], 0
            self._index.insert(sort_columns(columns), self._oldest)

    def _rebase(self, base_ms: int) -> None:
        """Counts every time from a later base, once in 49 days less the window."""
        self._settle_recent()
        self._settle_restored()
        self._index.rebase(base_ms - self._base_ms)
        self._base_ms = base_ms

    def _check_budget(self) -> None:
        """Refuses what takes too much even without the expired ids."""
        if self.is_over_budget:
            self._index.drop_expired(self._oldest)
        if self.is_over_budget:
            raise DedupBudgetError(
                f"the dedup window of {self._window_ms} ms holds {len(self)} ids in {self.memory_bytes} bytes, more "
                f"than the {self._budget_bytes} it may take: raise the budget, narrow the window, or spread the "
                "partitions over more workers"
            )

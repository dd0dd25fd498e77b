"""All remembered ids but the most recent: a few tiers, each about ten times the one before, merged as they fill.

Few, because every tier is searched for every id: at 50 million ids, 24 hourly arrays cost 6.9 µs an event.
"""

from collections.abc import Iterator

from msgspec import Struct

from stream.rules.dedup_runs import Columns, Lookup, Run
from stream.rules.dedup_tier import Tier

TIERS = 4


class Sizes(Struct, frozen=True):
    """Where ids move on, in ids.

    Batches shorter than `small_batch` go to a dict of up to `recent` ids. Tiers hold up to a thousandth, a hundredth
    and a tenth of all ids, but at least `least`, and each `least_growth` times the one before; `first_most` bounds
    the first, which every batch is merged into at once. Leaves hold up to a sixteenth of all ids, between the bounds
    given: a merge needs as much again as a leaf. A restore sorts up to `restored_most` ids at once.
    """

    small_batch: int = 64
    recent: int = 1024
    least: int = 2048
    least_growth: int = 4
    first_most: int = 1 << 15
    leaf_least: int = 1 << 15
    leaf_most: int = 1 << 19
    restored_most: int = 1 << 20


class Index:
    """Tiers from the newest to the oldest ids. Times are those of the marks; `oldest` is what still counts."""

    __slots__ = ("_sizes", "tiers")

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self.tiers = [Tier() for _ in range(TIERS)]

    @property
    def rows(self) -> int:
        """Ids that take memory, expired ones included until a merge drops them."""
        return sum(tier.held_rows for tier in self.tiers)

    def find(self, lookup: Lookup) -> None:
        """Looks for ids in every tier."""
        for tier in self.tiers:
            tier.find(lookup)

    def insert(self, columns: Columns, oldest: int) -> None:
        """Adds sorted ids and works on the merges in hand, in proportion."""
        if not columns.size:
            return
        rows = self.rows + columns.shape[1]
        leaf_rows = self._leaf_rows(rows)
        first, *others = self.tiers
        first.add([Run(columns)])
        first.finish(oldest, leaf_rows)
        for tier in others:
            tier.work(columns.shape[1], oldest, leaf_rows)
        for tier, following, limit in zip(self.tiers[-2::-1], self.tiers[:0:-1], self._limits(rows), strict=True):
            if tier.held_rows > limit:
                tier.finish(oldest, leaf_rows)
                following.finish(oldest, leaf_rows)
                following.add(tier.release())

    def drop_expired(self, oldest: int) -> None:
        """Merges all that waits and drops every id admitted before `oldest`, at once."""
        for tier in self.tiers:
            tier.drop_expired(oldest, self._leaf_rows(self.rows))

    def rebase(self, by_ms: int) -> None:
        """Counts every time from a base that much later."""
        for tier in self.tiers:
            tier.rebase(by_ms)

    def _limits(self, rows: int) -> Iterator[int]:
        """How many ids each tier but the last may hold, from the oldest of them on."""
        sizes = self._sizes
        yield max(rows // 10, sizes.least * sizes.least_growth**2)
        yield max(rows // 100, sizes.least * sizes.least_growth)
        yield min(max(rows // 1000, sizes.least), sizes.first_most)

    def _leaf_rows(self, rows: int) -> int:
        return min(max(rows // 16, self._sizes.leaf_least), self._sizes.leaf_most)

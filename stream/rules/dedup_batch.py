"""What each id of a batch is, from what was remembered before the batch and what the rows before it are."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from stream.rules.dedup_runs import ADMITTED_AT, CONTENT_SHIFT, Column, Columns, Lookup
from stream.rules.identity import IDENTITY_BYTES

_AT = int(ADMITTED_AT)


class Outcome(IntEnum):
    """What admit answers for an id."""

    NEW = 0
    DUPLICATE = 1
    CONFLICT = 2


class Batch:
    """Ids in the order of their input, with the lookup of the same ids in the order of their identities."""

    __slots__ = ("_identities", "_marks", "_oldest", "_order", "lookup")

    def __init__(self, identities: bytes, marks: Column, oldest: Column) -> None:
        halves = np.frombuffer(identities, "<u8").reshape(-1, 2)
        order = halves[:, 0].argsort()
        self._identities = identities
        self._marks = marks
        self._oldest = oldest
        self._order = order
        self.lookup = Lookup(halves[order, 0], halves[order, 1], oldest[order], np.zeros(len(order), np.uint64))

    def judge(self) -> NDArray[np.uint8]:
        """Outcomes in input order, from what the lookup found and the rows before."""
        found = self.lookup.found
        marks = self._marks[self._order]
        same_content = (marks >> CONTENT_SHIFT) == (found >> CONTENT_SHIFT)
        judged = np.where(same_content, np.uint8(Outcome.DUPLICATE), np.uint8(Outcome.CONFLICT))
        judged[found == 0] = Outcome.NEW
        outcomes = np.empty(len(judged), np.uint8)
        outcomes[self._order] = judged
        repeats = self._repeats()
        if repeats.size:
            outcomes[repeats] = self._judge_rows(repeats, {})
        return outcomes

    def judge_with(self, recent: dict[bytes, int]) -> NDArray[np.uint8]:
        """The same where some of what is remembered is in a dict of marks, which the new ids are put into."""
        return self._judge_rows(np.arange(len(self._order)), recent)

    def new_columns(self, outcomes: NDArray[np.uint8]) -> Columns:
        """The new ids, sorted, to be remembered."""
        is_new = outcomes[self._order] == Outcome.NEW
        return np.stack((self.lookup.hi[is_new], self.lookup.lo[is_new], self._marks[self._order][is_new]))

    def _repeats(self) -> NDArray[np.intp]:
        """Rows, ascending, whose id may be that of another row."""
        same = self.lookup.hi[1:] == self.lookup.hi[:-1]
        if not same.any():
            return np.empty(0, np.intp)
        places = np.flatnonzero(same)
        return np.sort(self._order[np.union1d(places, places + 1)])

    def _judge_rows(self, rows: NDArray[np.intp], memory: dict[bytes, int]) -> NDArray[np.uint8]:
        """Outcomes of some rows, one after the other."""
        identities = self._identities
        found = np.empty(len(self._order), np.uint64)
        found[self._order] = self.lookup.found
        outcomes = []
        for row, mark, oldest, before in zip(
            rows.tolist(),
            self._marks[rows].tolist(),
            self._oldest[rows].tolist(),
            found[rows].tolist(),
            strict=True,
        ):
            key = identities[row * IDENTITY_BYTES : (row + 1) * IDENTITY_BYTES]
            recent = memory.get(key, 0)
            known = recent if recent & _AT >= oldest else before
            if not known:
                memory[key] = mark
                outcomes.append(0)
            else:
                outcomes.append(1 if known >> 32 == mark >> 32 else 2)
        return np.array(outcomes, np.uint8)

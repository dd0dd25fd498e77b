"""When the clock has something to do, for every account of a partition: found without looking at the others."""

from heapq import heapify, heappop, heappush

from schemas.lot import NEVER_MS

_FEW = 1_024


class DueTimes:
    """One due time an account; those that changed stay in the heap until they are met, or too many."""

    def __init__(self) -> None:
        self._due_at_ms: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._due_at_ms)

    def set(self, account: str, due_at_ms: int) -> None:
        """The account's next due time, instead of the one it had."""
        if self._due_at_ms.get(account, NEVER_MS) == due_at_ms:
            return
        if due_at_ms >= NEVER_MS:
            del self._due_at_ms[account]
            return
        self._due_at_ms[account] = due_at_ms
        if len(self._heap) > 2 * len(self._due_at_ms) + _FEW:
            self._heap = [(due, each) for each, due in self._due_at_ms.items()]
            heapify(self._heap)
        else:
            heappush(self._heap, (due_at_ms, account))

    def next_ms(self) -> int:
        """The earliest due time of all."""
        heap, due = self._heap, self._due_at_ms
        while heap and due.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else NEVER_MS

    def pop(self, now_ms: int) -> tuple[int, str] | None:
        """The account due next, up to and including now, by time and then by name; None when there is none."""
        if self.next_ms() > now_ms:
            return None
        found = heappop(self._heap)
        del self._due_at_ms[found[1]]
        return found

"""The dedup window of a partition, as a log of the engine: restored from what its checkpoints appended."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from schemas.topics import PACKED_BYTES
from stream.engine.outbox import Record
from stream.engine.recovery import RefusedError
from stream.rules.dedup import BadSnapshotError, DedupBudgetError, DedupWindow
from stream.rules.dedup_log import PACKED_ID_BYTES

_RECORD_BYTES = PACKED_BYTES // PACKED_ID_BYTES * PACKED_ID_BYTES


@contextmanager
def _refused_over_budget() -> Iterator[None]:
    """No further attempt would need less memory: a person must widen the budget or narrow the window."""
    try:
        yield
    except DedupBudgetError as error:
        raise RefusedError(f"{error}; raise CREDITSTREAM_DEDUP_MEMORY_MB or lower the dedup window") from error


class DedupLog:
    """Remembers the identities of booked events for the window."""

    def __init__(self, topic: str, window_ms: int, budget_bytes: int) -> None:
        self.topic = topic
        self._window_ms = window_ms
        self._budget_bytes = budget_bytes
        self._window = DedupWindow(window_ms, budget_bytes)

    @property
    def remembered(self) -> int:
        return len(self._window)

    @property
    def memory_bytes(self) -> int:
        return self._window.memory_bytes

    def admit(self, identities: bytes, contents: bytes, clocks_ms: list[int]) -> list[int]:
        """Of each event in order: new (and remembered from now on), a duplicate, or a conflict."""
        if not identities:
            return []
        columns = np.frombuffer(contents, ">u8").astype(np.uint64)
        outcomes: list[int] = self._window.admit(identities, columns, clocks_ms).tolist()
        return outcomes

    def expire(self, clock_ms: int) -> None:
        self._window.expire(clock_ms)

    def drain(self) -> list[Record]:
        """The ids remembered since the last checkpoint."""
        packed = self._window.drain_new()
        return [
            (self.topic, None, packed[first : first + _RECORD_BYTES]) for first in range(0, len(packed), _RECORD_BYTES)
        ]

    def begin_restore(self, clock_ms: int) -> int:
        """An id is appended after its event was ingested: nothing appended before the window is needed."""
        self._window.expire(clock_ms)
        return clock_ms - self._window_ms

    def restore(self, value: bytes) -> None:
        with _refused_over_budget():
            self._window.restore(value)

    def finish_restore(self) -> None:
        with _refused_over_budget():
            self._window.finish_restore()

    def dump(self) -> Iterator[bytes]:
        for array in self._window.snapshot():
            yield array.tobytes()

    def load(self, dumped: Iterable[bytes | memoryview]) -> bool:
        arrays = (np.frombuffer(chunk, np.uint64) for chunk in dumped)
        shaped = (array if place == 0 else array.reshape(3, -1) for place, array in enumerate(arrays))
        try:
            with _refused_over_budget():
                self._window = DedupWindow.from_snapshot(shaped, self._window_ms, self._budget_bytes)
        except (BadSnapshotError, ValueError):
            return False
        return True

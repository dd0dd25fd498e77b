"""One partition of a topic as Kafka keeps it: offsets, transactions, markers, the last stable offset, compaction."""

from collections.abc import Callable, Iterator
from enum import Enum

Headers = list[tuple[str, str | bytes | None]]


class Fate(Enum):
    """What became of an entry's transaction; records of none are committed at once."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"
    MARKER = "marker"
    """A control record: it takes an offset, and no reader sees it."""


class Entry:
    """One offset of a log."""

    __slots__ = ("fate", "gone", "headers", "key", "offset", "timestamp_ms", "value")

    def __init__(
        self, offset: int, key: bytes | None, value: bytes | None, headers: Headers, timestamp_ms: int, fate: Fate
    ) -> None:
        self.offset = offset
        self.key = key
        self.value = value
        self.headers = headers
        self.timestamp_ms = timestamp_ms
        self.fate = fate
        self.gone = False
        """Removed by compaction or retention; kept for whoever checks what was ever written."""


class FakeLog:
    """The entries of a partition by offset, the removed ones too."""

    def __init__(self, topic: str, partition: int, *, appends_time: bool, compacted: bool) -> None:
        self.topic = topic
        self.partition = partition
        self.appends_time = appends_time
        self.compacted = compacted
        self.entries: list[Entry] = []
        self.start = 0
        self.high = 0
        self.stable = 0
        """The last stable offset: where the oldest open transaction begins."""
        self.away_until = 0.0
        """When it has a leader again; until then nobody reads it or writes to it."""
        self._open: dict[str, list[Entry]] = {}
        self._watchers: list[Callable[[], None]] = []

    def append(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        timestamp_ms: int,
        transaction: str | None = None,
    ) -> int:
        """Append a record, of a transaction if one is named; its offset."""
        fate = Fate.COMMITTED if transaction is None else Fate.OPEN
        entry = Entry(self.high, key, value, headers, timestamp_ms, fate)
        if transaction is not None:
            self._open.setdefault(transaction, []).append(entry)
        self._grow(entry)
        return entry.offset

    def finish(self, transaction: str, fate: Fate, timestamp_ms: int) -> None:
        """Write the marker that ends a transaction in this partition."""
        for entry in self._open.pop(transaction, ()):
            entry.fate = fate
        self._grow(Entry(self.high, None, None, [], timestamp_ms, Fate.MARKER))

    def read(self, offset: int, most: int, *, committed: bool) -> tuple[list[Entry], int]:
        """The records from an offset on that a reader may see, and where it stands after them."""
        found: list[Entry] = []
        end = self.stable if committed else self.high
        hidden = (Fate.OPEN, Fate.ABORTED, Fate.MARKER) if committed else (Fate.MARKER,)
        while offset < end and len(found) < most:
            entry = self.entries[offset]
            offset += 1
            if not entry.gone and entry.fate not in hidden:
                found.append(entry)
        return found, offset

    def history(self) -> Iterator[Entry]:
        """Every committed record that was ever written."""
        return (entry for entry in self.entries if entry.fate is Fate.COMMITTED)

    def offset_at(self, timestamp_ms: int) -> int:
        """The first offset at or after a time, -1 when there is none."""
        for entry in self.entries[self.start :]:
            if entry.timestamp_ms >= timestamp_ms and entry.fate is not Fate.MARKER and not entry.gone:
                return entry.offset
        return -1

    def compact(self, before: int) -> int:
        """Keep the newest committed record of each key below an offset; how many were removed."""
        before = min(before, self.stable)
        newest = {
            entry.key: entry.offset
            for entry in self.entries[self.start : self.stable]
            if entry.fate is Fate.COMMITTED and not entry.gone
        }
        removed = 0
        for entry in self.entries[self.start : before]:
            superseded = entry.fate is not Fate.COMMITTED or newest[entry.key] != entry.offset
            if not entry.gone and superseded:
                entry.gone = True
                removed += 1
        return removed

    def delete_before(self, offset: int) -> int:
        """Retention: the log begins at an offset now; how many were removed."""
        removed = 0
        for entry in self.entries[self.start : offset]:
            removed += not entry.gone
            entry.gone = True
        self.start = max(self.start, offset)
        return removed

    def watch(self, told: Callable[[], None]) -> None:
        """Be told once, at the next change."""
        self._watchers.append(told)

    def _grow(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.high = len(self.entries)
        self.stable = min((entries[0].offset for entries in self._open.values()), default=self.high)
        self.tell()

    def tell(self) -> None:
        watchers, self._watchers = self._watchers, []
        for told in watchers:
            told()

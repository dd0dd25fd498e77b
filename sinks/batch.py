"""What is buffered for one write to ClickHouse: rows by table, and how far it brings each partition."""

from bisect import bisect_right
from typing import Any, NamedTuple

from schemas.dead_letter import DeadLetter
from sinks.records import Place, Record
from sinks.tables.table import Columns, Table


class Origin(NamedTuple):
    """The record that a row came from; the timestamp is in milliseconds since 1970, UTC."""

    place: Place
    offset: int
    timestamp_ms: int


class TableRows:
    """Rows of one table, column by column, each row knowing the record it came from."""

    def __init__(self, table: Table[Any]) -> None:
        self.table = table
        self.columns: Columns = [[] for _ in table.columns]
        self._first_rows: list[int] = []
        self._records: list[Origin] = []

    def __len__(self) -> int:
        return len(self.columns[0])

    def add(self, record: Record, columns: Columns) -> None:
        """Rows of a record behind those that are there."""
        self._first_rows.append(len(self))
        self._records.append(Origin(record.place, record.offset, record.timestamp_ms))
        for column, more in zip(self.columns, columns, strict=True):
            column.extend(more)

    def follow(self, later: "TableRows") -> None:
        """Rows that were buffered later behind those that are there."""
        self._first_rows.extend(len(self) + first for first in later._first_rows)
        self._records.extend(later._records)
        for column, more in zip(self.columns, later.columns, strict=True):
            column.extend(more)

    def slice(self, start: int, end: int) -> Columns:
        """The rows from `start` up to `end`."""
        return [column[start:end] for column in self.columns]

    def row(self, index: int) -> dict[str, object]:
        """One row, by column name."""
        return {name: column[index] for name, column in zip(self.table.columns, self.columns, strict=True)}

    def origin(self, index: int) -> Origin:
        """The record that a row came from."""
        return self._records[bisect_right(self._first_rows, index) - 1]


class Reached(NamedTuple):
    """A partition's next offset once a batch is written, and its newest record's timestamp (ms) or 0."""

    next_offset: int
    newest_ms: int


class Batch:
    """Rows that are written together; `opened_at` is the loop's clock, in seconds, at the first record."""

    def __init__(self) -> None:
        self.tables: dict[str, TableRows] = {}
        self.dead_letters: list[DeadLetter] = []
        self.reached: dict[Place, Reached] = {}
        self.rows = 0
        self.bytes = 0
        self.opened_at: float | None = None

    def reach(self, place: Place, next_offset: int, timestamp_ms: int, now: float) -> None:
        """Notes that everything of the partition before `next_offset` is in this batch or an earlier one."""
        self.opened_at = now if self.opened_at is None else self.opened_at
        before = self.reached.get(place)
        newest_ms = max(timestamp_ms, before.newest_ms) if before else timestamp_ms
        self.reached[place] = Reached(next_offset, newest_ms)

    def add(self, record: Record, rows: list[tuple[Table[Any], Columns]]) -> None:
        """The rows of one record."""
        self.bytes += len(record.key or b"") + len(record.value or b"")
        for table, columns in rows:
            count = len(columns[0])
            if count:
                self.tables.setdefault(table.name, TableRows(table)).add(record, columns)
                self.rows += count

    def reject(self, record: Record, letter: DeadLetter) -> None:
        """A record that could not be read; it counts as a row, so that these are bounded too."""
        self.bytes += len(record.value or b"")
        self.rows += 1
        self.dead_letters.append(letter)

    def follow(self, later: "Batch") -> None:
        """Takes what was buffered after this batch behind its own."""
        for name, rows in later.tables.items():
            self.tables.setdefault(name, TableRows(rows.table)).follow(rows)
        self.dead_letters.extend(later.dead_letters)
        self.reached.update(later.reached)
        self.rows += later.rows
        self.bytes += later.bytes

    def forget(self, place: Place) -> None:
        """The partition is somebody else's: its rows may be written twice, but its progress is not ours."""
        self.reached.pop(place, None)

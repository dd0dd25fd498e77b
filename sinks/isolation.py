"""A row that ClickHouse refuses is found by halving, and the rest of its batch is written."""

from typing import NamedTuple

from sinks.batch import TableRows
from sinks.clickhouse import Writer
from sinks.refusals import RowsRefusedError, UnclearError

# Halving to one bad row among a million fails 21 times; without a single success by then, it is not the rows.
_FAILURES_WITHOUT_SUCCESS = 25


class RefusedRow(NamedTuple):
    """A row that cannot be written, and what ClickHouse said of it."""

    row: int
    message: str


class Isolation:
    """Writes the rows of one table; while `doubtful`, an unclear error counts against rows as a refusal does.

    Rows are blamed for unclear errors only when others of the same table could be written meanwhile.
    """

    def __init__(self, writer: Writer, rows: TableRows, *, doubtful: bool = False) -> None:
        self._writer = writer
        self._rows = rows
        self._doubtful = doubtful
        self._successes = 0
        self._unclear = 0
        self.refused: list[RefusedRow] = []

    def write(self) -> list[RefusedRow]:
        """The rows that were refused; all others are written.

        Raises ClickHouseAwayError, or UnclearError if rows cannot be blamed: starting over loses nothing.
        """
        self._write(0, len(self._rows))
        if self._unclear and not self._successes:
            raise UnclearError(self.refused[-1].message)
        return self.refused

    def _write(self, start: int, end: int) -> None:
        if start == end:
            return
        try:
            self._writer.insert(self._rows.table, self._rows.slice(start, end))
        except RowsRefusedError as error:
            self._halve(start, end, str(error))
        except UnclearError as error:
            self._unclear += 1
            if not self._doubtful or (not self._successes and self._unclear >= _FAILURES_WITHOUT_SUCCESS):
                raise
            self._halve(start, end, str(error))
        else:
            self._successes += 1

    def _halve(self, start: int, end: int, message: str) -> None:
        if end - start == 1:
            self.refused.append(RefusedRow(start, message))
            return
        middle = (start + end) // 2
        self._write(start, middle)
        self._write(middle, end)

"""Shows an answer as a table, CSV or JSON; credits as exact decimal text, never as floats.

CSV and lines of JSON come as their rows do, so that an answer of any length takes bounded memory.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal

from sinks.query import Answer, Value

_LINE_END = "\r\n"

JsonValue = int | str | None


def shown(value: Value) -> str:
    """A value as text: decimals in full, without trailing zeros; nothing for none."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def as_table(answer: Answer) -> Iterator[str]:
    """Columns aligned for reading, numbers to the right."""
    values = list(answer.rows)
    rows = [[shown(value) for value in row] for row in values]
    widths = [max(map(len, cells)) for cells in zip(answer.columns, *rows, strict=True)]
    right = [_is_of_numbers([row[index] for row in values]) for index in range(len(widths))]
    for cells in [list(answer.columns), ["-" * width for width in widths], *rows]:
        yield _line(cells, widths, right)
    if not rows:
        yield "(no rows)"


def as_csv(answer: Answer) -> Iterator[str]:
    """A header and a line per row."""
    yield _csv_line(answer.columns)
    for row in answer.rows:
        yield _csv_line(tuple(shown(value) for value in row))


def as_json(answer: Answer) -> Iterator[str]:
    """An array of objects; credits and quantities are strings, as JSON's readers make numbers into floats."""
    rows = [_json_row(answer.columns, row) for row in answer.rows]
    yield json.dumps(rows, indent=2, ensure_ascii=False)


def as_json_lines(answer: Answer) -> Iterator[str]:
    """The same objects, one a line."""
    for row in answer.rows:
        yield json.dumps(_json_row(answer.columns, row), ensure_ascii=False, separators=(",", ":"))


FORMATS: dict[str, Callable[[Answer], Iterator[str]]] = {
    "table": as_table,
    "csv": as_csv,
    "json": as_json,
    "jsonl": as_json_lines,
}


def _csv_line(cells: tuple[str, ...]) -> str:
    text = io.StringIO()
    # Cells with a character of the line's end are quoted, and no others: each could end a line for somebody.
    csv.writer(text, lineterminator=_LINE_END).writerow(cells)
    return text.getvalue().removesuffix(_LINE_END)


def _json_row(columns: tuple[str, ...], row: list[Value]) -> dict[str, JsonValue]:
    return {
        column: value if value is None or isinstance(value, int) else shown(value)
        for column, value in zip(columns, row, strict=True)
    }


def _is_of_numbers(values: list[Value]) -> bool:
    told = [value for value in values if value is not None]
    return bool(told or not values) and all(
        isinstance(value, int | Decimal) and not isinstance(value, bool) for value in told
    )


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    aligned = (
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(aligned).rstrip()

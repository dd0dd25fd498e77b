"""Shows an answer as a table, CSV or JSON; credits as exact decimal text, never as floats."""

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal

from sinks.query import Answer, Value


def shown(value: Value) -> str:
    """A value as text: decimals in full, without trailing zeros."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


def as_table(answer: Answer) -> str:
    """Columns aligned for reading, numbers to the right."""
    rows = [[shown(value) for value in row] for row in answer.rows]
    widths = [max(map(len, cells)) for cells in zip(answer.columns, *rows, strict=True)]
    right = [all(isinstance(row[index], int | Decimal) for row in answer.rows) for index in range(len(widths))]
    lines = [list(answer.columns), ["-" * width for width in widths], *rows]
    text = "\n".join(_line(cells, widths, right) for cells in lines)
    return text if rows else f"{text}\n(no rows)"


def as_csv(answer: Answer) -> str:
    """A header and a line per row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows([shown(value) for value in row] for row in answer.rows)
    return text.getvalue().rstrip("\n")


def as_json(answer: Answer) -> str:
    """An array of objects; credits and quantities are strings, as JSON's readers make numbers into floats."""
    rows = [
        {
            column: value if isinstance(value, int) else shown(value)
            for column, value in zip(answer.columns, row, strict=True)
        }
        for row in answer.rows
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)


FORMATS: dict[str, Callable[[Answer], str]] = {"table": as_table, "csv": as_csv, "json": as_json}


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    aligned = (
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(aligned).rstrip()

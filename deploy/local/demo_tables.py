"""Answers of queries as tables that fit on a screen: some columns, times to the second, long names cut.

All amounts are credits unless a heading says otherwise.
"""

import json
import re
from collections.abc import Iterable, Sequence

_WIDEST = 19
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def as_table(answer: str, columns: Sequence[str]) -> str:
    """These columns of an answer in JSON, aligned, numbers to the right."""
    rows = [[_shown(row[column]) for column in columns] for row in json.loads(answer)]
    if not rows:
        return "(no rows)"
    heading = [column.removesuffix("_credits") for column in columns]
    widths = [max(map(len, cells)) for cells in zip(heading, *rows, strict=True)]
    right = [all(_NUMBER.fullmatch(cell) for cell in cells if cell) for cells in zip(*rows, strict=True)]
    return "\n".join(_line(cells, widths, right) for cells in [heading, ["-" * width for width in widths], *rows])


def indented(text: str) -> str:
    """Below its heading."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "" if value is None else str(value)
    moment = _TIME.fullmatch(text)
    if moment is not None:
        return f"{moment[1]} {moment[2]}"
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _line(cells: Iterable[str], widths: Iterable[int], right: Iterable[bool]) -> str:
    aligned = (
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(aligned).rstrip()

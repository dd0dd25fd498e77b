"""Times and amounts as the tables write them, and their rows."""

import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
TIME = r"(?:\d{1,2} (?:" + "|".join(_MONTHS) + r")(?: \d{4})?(?: \d\d:\d\d)?)"
AMOUNT = r"[+-]?[\d,]*\d(?:\.\d+)?"
_FIRST_MONTH_OF_2025 = 11


class Example(NamedTuple):
    """A row of a table; `place` is its file and line."""

    place: str
    story: str
    steps: list[str]
    outcomes: list[str]


def time_of(text: str) -> datetime:
    """`3 Nov 10:00`: November and December are of 2025, other months of 2026, unless a year is given."""
    match = re.fullmatch(r"(\d+) (\w{3})(?: (\d{4}))?(?: (\d\d):(\d\d))?", text)
    if match is None:
        raise ValueError(f"{text!r} is no time: write 3 Nov, 3 Nov 10:00 or 3 Nov 2025 10:00")
    day, month_name, year, hour, minute = match.groups()
    month = _MONTHS.index(month_name) + 1
    default = 2025 if month >= _FIRST_MONTH_OF_2025 else 2026
    return datetime(int(year or default), month, int(day), int(hour or 0), int(minute or 0), tzinfo=UTC)


def day_of(time: datetime) -> str:
    """`3 Nov`."""
    return f"{time.day} {_MONTHS[time.month - 1]}"


def microcredits(text: str) -> int:
    """`1,000.5` credits; exact."""
    amount = Fraction(text.replace(",", "")) * 1_000_000
    if amount.denominator != 1:
        raise ValueError(f"{text} is finer than a microcredit")
    return int(amount)


def credits_text(amount: int) -> str:
    """Microcredits as credits without trailing zeros."""
    sign, (whole, rest) = "-" if amount < 0 else "", divmod(abs(amount), 1_000_000)
    return f"{sign}{whole}.{rest:06d}".rstrip("0").rstrip(".")


def read_tables(folder: Path) -> list[Example]:
    """The rows of every table in the folder; a step or outcome ends with a semicolon."""
    examples = []
    for file in sorted(folder.glob("*.md")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if line.startswith("|") and cells[0] != "story" and not set(line) <= set("|- "):
                story, steps, outcome = cells
                examples.append(Example(f"{file.stem}:{number}", story, _parts(steps), _parts(outcome)))
    return examples


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";")]

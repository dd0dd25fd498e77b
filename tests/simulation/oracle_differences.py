"""How two sets of figures differ, in lines a person can read."""

from collections.abc import Mapping
from typing import Any

from tests.simulation.oracle_records import Figures

LONGEST_REPORT = 20
TABLES = (
    "balances",
    "lots",
    "entries",
    "alerts",
    "refills",
    "bills",
    "rollups",
    "charges",
    "conversations",
    "dead_letters",
)


def differences(expected: Figures, actual: Figures, limit: int = LONGEST_REPORT) -> list[str]:
    """Missing, unexpected and differing rows: at most `limit` lines a table, and one that counts the rest."""
    lines: list[str] = []
    for table in TABLES:
        found = _of_table(table, rows_of(getattr(expected, table)), rows_of(getattr(actual, table)))
        lines += found[:limit]
        if len(found) > limit:
            lines.append(f"{table}: {len(found) - limit} more rows differ")
    return lines


def rows_of(table: Any) -> Mapping[Any, Any]:
    """The rows of a table by their keys: of a set its members, of each account's list its places."""
    if not isinstance(table, Mapping):
        return dict.fromkeys(table, ())
    if isinstance(next(iter(table.values()), None), list):
        return {(account, place): each for account, rows in table.items() for place, each in enumerate(rows)}
    return table


def _of_table(table: str, expected: Mapping[Any, Any], actual: Mapping[Any, Any]) -> list[str]:
    lines = []
    for key in sorted(expected.keys() | actual.keys()):
        if key not in actual:
            lines.append(f"{table}: {_shown(key)} is missing; expected {_shown(expected[key])}")
        elif key not in expected:
            lines.append(f"{table}: {_shown(key)} is unexpected; it shows {_shown(actual[key])}")
        elif expected[key] != actual[key]:
            lines.append(f"{table}: {_shown(key)} {_changed(expected[key], actual[key])}")
    return lines


def _changed(expected: Any, actual: Any) -> str:
    names = getattr(expected, "_fields", None)
    if names is None:
        return f"is {actual!r}; expected {expected!r}"
    pairs = zip(names, expected, actual, strict=True)
    return ", ".join(f"{name} is {is_!r}; expected {was!r}" for name, was, is_ in pairs if was != is_)


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return "(" + ", ".join(f"{name}={part!r}" for name, part in zip(value._fields, value, strict=True)) + ")"
    return repr(value)

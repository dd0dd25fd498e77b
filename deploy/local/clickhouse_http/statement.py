"""What has to be known of a statement before chDB runs it: its data, its output format, whether rows come."""

import re

from msgspec import Struct

DEFAULT_FORMAT = "TabSeparated"

_COMMENTS = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_TARGET = r"(INSERT\s+INTO\s[^;]*?)(\sSETTINGS\s[^;]*?)?"
_INSERT = re.compile(
    f"{_COMMENTS}{_TARGET}\\sFORMAT\\s+(\\w+)(?:[ \\t]*;?\\r?\\n|[ \\t]+|\\s*;?\\s*$)".encode(), re.I | re.S
)
# Rows that are part of the statement: a FORMAT after them is text of theirs.
_OWN_ROWS = re.compile(rb"\bVALUES\s*\(|\bSELECT\b", re.I)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[^;]*)?;?\s*$", re.I)
_ROWS = re.compile(
    rf"{_COMMENTS}\(?\s*(?:SELECT|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS|CHECK|VALUES|FROM)\b", re.I | re.S
)


class Insert(Struct, frozen=True):
    """An insert whose rows follow the statement: `target` is the statement up to its settings."""

    target: str
    settings: str
    format: str
    data: bytes


def parse_insert(sql: bytes) -> Insert | None:
    """The insert and its rows; None for everything else, INSERT … SELECT included."""
    found = _INSERT.match(sql)
    if found is None or _OWN_ROWS.search(found[1]):
        return None
    return Insert(found[1].decode(), (found[2] or b"").decode(), found[3].decode(), sql[found.end() :])


def output_format(sql: str, default: str) -> str:
    """The format that the statement ends with, else the default."""
    found = _FORMAT.search(sql)
    return found[1] if found else default or DEFAULT_FORMAT


def returns_rows(sql: str) -> bool:
    """Whether the statement answers with rows, so that the reply names their format."""
    return _ROWS.match(sql) is not None

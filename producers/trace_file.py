"""Reads a trace of requests: the dataset's own CSV, or the compact copy that is shipped."""

import csv
import gzip
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from msgspec import Struct

SHIPPED_TRACE = Path(__file__).parent / "data" / "azure-llm-2023-conversation.csv.gz"
_COMPACT = ["after_ms", "context_tokens", "generated_tokens"]
_ORIGINAL = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]


class TraceFileError(Exception):
    """A trace that cannot be read: the file, the line and what was expected there."""


class Request(Struct, frozen=True, gc=False):
    """One request: its line in the file, from 1; milliseconds since the first one; tokens."""

    line: int
    offset_ms: int
    context_tokens: int
    generated_tokens: int


def read_trace(path: Path = SHIPPED_TRACE, limit: int | None = None) -> list[Request]:
    """The first `limit` requests of a trace, plain or gzipped; TraceFileError names the line."""
    try:
        with _open(path) as lines:
            requests = list(_requests(path, lines, limit))
    except (OSError, UnicodeDecodeError) as error:
        raise TraceFileError(f"{path} cannot be read: {error}") from None
    if not requests:
        raise TraceFileError(f"{path} holds no request")
    return requests


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _requests(path: Path, lines: Iterable[str], limit: int | None) -> Iterator[Request]:
    rows = csv.reader(lines)
    header = next(rows, [])
    if header not in (_COMPACT, _ORIGINAL):
        raise TraceFileError(
            f"{path} begins with {','.join(header)!r}: expected {','.join(_ORIGINAL)} or {','.join(_COMPACT)}"
        )
    offset_ms, first_ms = 0, None
    for line, row in enumerate(rows, 1):
        if limit is not None and line > limit:
            return
        try:
            time, context_tokens, generated_tokens = row[0], int(row[1]), int(row[2])
            if header == _COMPACT:
                offset_ms += int(time)
            else:
                at_ms = _milliseconds(time)
                first_ms = at_ms if first_ms is None else first_ms
                offset_ms = at_ms - first_ms
        except (ValueError, IndexError):
            raise TraceFileError(f"{path}, request {line}: {','.join(row)!r} is not {','.join(header)}") from None
        yield Request(line, offset_ms, context_tokens, generated_tokens)


def _milliseconds(time: str) -> int:
    # The original's times have seven decimals, which is one more than datetime reads.
    whole, _, decimals = time.partition(".")
    since = datetime.strptime(f"{whole} +0000", "%Y-%m-%d %H:%M:%S %z").timestamp()
    return int(since) * 1000 + int(decimals[:3].ljust(3, "0"))

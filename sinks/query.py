"""The analysts' questions: each is a file of parameterised SQL, asked by its name."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError
from msgspec import Struct

from sinks.clickhouse import connect
from sinks.refusals import judged
from sinks.settings import ClickHouseSettings

QUERIES = Path(__file__).parent.parent / "deploy" / "clickhouse" / "queries"
PAGE_ROWS = 50_000
"""A query in pages is asked for so many rows at once, so that an answer of any length takes bounded memory."""

_ALL = 2**64 - 1
_PARAMETER = re.compile(r"\{(\w+):")
_DEFAULTS = re.compile(r"^-- Parameters: (.+)\.$", re.M)
_DEFAULT = re.compile(r"(\w+) \(([^)]+)\)")
_PAGES = re.compile(r"^-- Pages: (\w+)\.$", re.M)
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
# As ClickHouse's text formats write it, and no name that anybody gives.
_NULL = "\N{MODIFIER LETTER CAPITAL N}\N{MODIFIER LETTER CAPITAL U}" + "\N{MODIFIER LETTER CAPITAL L}" * 2


Value = int | Decimal | str | None


class _Column(Struct):
    name: str
    type: str


class _JsonAnswer(Struct):
    meta: list[_Column]
    data: list[list[str]]


_decode = msgspec.json.Decoder(_JsonAnswer).decode


class QueryError(Exception):
    """A question that cannot be asked; the text says what is allowed."""


class Query(NamedTuple):
    """One file: what it answers, its parameters, what those are that nobody gave, and the column that pages follow."""

    name: str
    answers: str
    parameters: frozenset[str]
    defaults: dict[str, str]
    pages: str
    sql: str


class Answer(NamedTuple):
    """Rows of exact values: counts are ints, credits and quantities Decimals, times in RFC 3339, all else text."""

    columns: tuple[str, ...]
    rows: Iterable[list[Value]]


def read_queries(folder: Path = QUERIES) -> dict[str, Query]:
    """Every query by its name, which is that of its file."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.sql"))}


def ask(settings: ClickHouseSettings, query: Query, parameters: Mapping[str, str]) -> Answer:
    """The answer to a query; QueryError if a parameter is missing. Pages are asked for as their rows are taken."""
    given = {**query.defaults, **parameters}
    missing = sorted(query.parameters - given.keys())
    if missing:
        raise QueryError(f"query {query.name} needs {', '.join(f'--{name}' for name in missing)}")
    wanted = {name: given[name] for name in query.parameters}
    if not query.pages:
        return _ask(settings, query, wanted)
    columns, rows = _ask(settings, query, {**wanted, "limit": str(min(int(wanted["limit"]), PAGE_ROWS))})
    return Answer(columns, _pages(settings, query, wanted, columns.index(query.pages), list(rows)))


def _pages(
    settings: ClickHouseSettings, query: Query, wanted: Mapping[str, str], place: int, page: list[list[Value]]
) -> Iterator[list[Value]]:
    rest = int(wanted["limit"])
    while True:
        yield from page
        rest -= len(page)
        if len(page) < PAGE_ROWS or not rest:
            return
        follows = {"first": str(int(str(page[-1][place])) + 1), "limit": str(min(rest, PAGE_ROWS))}
        page = list(_ask(settings, query, {**wanted, **follows}).rows)


def _ask(settings: ClickHouseSettings, query: Query, wanted: Mapping[str, str]) -> Answer:
    client = connect(settings)
    try:
        # This format names the columns of an empty answer too, and keeps every number exact.
        return _parsed(client.raw_query(query.sql, parameters=dict(wanted), fmt="JSONCompactStrings"))
    except ClickHouseError as error:
        raise judged(error) from error
    finally:
        client.close()


def parse_hour(text: str) -> str:
    """A day, or a whole hour in RFC 3339, as ClickHouse takes it, in UTC; QueryError if it is neither."""
    try:
        moment = (
            datetime.combine(date.fromisoformat(text), time(), UTC)
            if _DATE.match(text)
            else datetime.fromisoformat(text)
        )
    except ValueError:
        raise QueryError(
            f"{text!r} is neither a day (2026-11-01) nor a time (2026-11-01T14:00:00Z): correct it"
        ) from None
    if moment.tzinfo is None:
        raise QueryError(f"{text!r} has no time zone: write 2026-11-01T14:00:00Z, or a day alone")
    utc = moment.astimezone(UTC)
    if (utc.minute, utc.second, utc.microsecond) != (0, 0, 0):
        raise QueryError(f"{text!r} is not on a whole hour of UTC, and usage is kept by the hour: move it to one")
    if not 1970 <= utc.year <= 2105:
        raise QueryError(f"{text!r} is not between the years 1970 and 2105")
    return utc.strftime("%Y-%m-%d %H:%M:%S")


def _parsed(answer: bytes) -> Answer:
    read = _decode(answer)
    values = [_value_of(column.type) for column in read.meta]
    rows = [[value(text) for value, text in zip(values, row, strict=True)] for row in read.data]
    return Answer(tuple(column.name for column in read.meta), rows)


def _value_of(clickhouse_type: str) -> Callable[[str], Value]:
    bare = clickhouse_type.removeprefix("LowCardinality(")
    if bare.startswith("Nullable("):
        value = _value_of(bare.removeprefix("Nullable("))
        return lambda text: None if text == _NULL else value(text)
    if bare.startswith(("UInt", "Int")):
        return int
    if bare.startswith("Decimal"):
        return Decimal
    if bare.startswith("DateTime"):
        return lambda text: f"{text.replace(' ', 'T')}Z"
    if bare.startswith("Bool"):
        return lambda text: text == "true"
    return str


def _read(path: Path) -> Query:
    sql = path.read_text(encoding="utf-8")
    answers = sql.partition("\n")[0].removeprefix("--").strip()
    told, pages = _DEFAULTS.search(sql), _PAGES.search(sql)
    defaults = {
        name: str(_ALL) if value == "all" else parse_hour(value) if name in ("from", "to") else value
        for name, value in _DEFAULT.findall(told[1] if told else "")
    }
    return Query(path.stem, answers, frozenset(_PARAMETER.findall(sql)), defaults, pages[1] if pages else "", sql)

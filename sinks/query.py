"""The analysts' questions: each is a file of parameterised SQL, asked by its name."""

import re
from collections.abc import Callable, Mapping
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

_PARAMETER = re.compile(r"\{(\w+):")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")


Value = int | Decimal | str


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
    """One file: what it answers, and the parameters it needs."""

    name: str
    answers: str
    parameters: frozenset[str]
    sql: str


class Answer(NamedTuple):
    """Rows of exact values: counts are ints, credits and quantities Decimals, times in RFC 3339, all else text."""

    columns: tuple[str, ...]
    rows: list[list[Value]]


def read_queries(folder: Path = QUERIES) -> dict[str, Query]:
    """Every query by its name, which is that of its file."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.sql"))}


def ask(settings: ClickHouseSettings, query: Query, parameters: Mapping[str, str]) -> Answer:
    """The answer to a query; QueryError if a parameter is missing or ClickHouse rejects it."""
    missing = sorted(query.parameters - parameters.keys())
    if missing:
        raise QueryError(f"query {query.name} needs {', '.join(f'--{name}' for name in missing)}")
    client = connect(settings)
    try:
        wanted = {name: parameters[name] for name in query.parameters}
        # This format names the columns of an empty answer too, and keeps every number exact.
        return _parsed(client.raw_query(query.sql, parameters=wanted, fmt="JSONCompactStrings"))
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
    if clickhouse_type.startswith(("UInt", "Int")):
        return int
    if clickhouse_type.startswith("Decimal"):
        return Decimal
    if clickhouse_type.startswith("DateTime"):
        return lambda text: f"{text.replace(' ', 'T')}Z"
    return str


def _read(path: Path) -> Query:
    sql = path.read_text(encoding="utf-8")
    answers = sql.partition("\n")[0].removeprefix("--").strip()
    return Query(path.stem, answers, frozenset(_PARAMETER.findall(sql)), sql)

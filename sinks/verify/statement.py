"""An exported statement: `python -m sinks query statement` in CSV or lines of JSON, read line by line."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TextIO, cast

import msgspec

from schemas.credits import parse_micros
from schemas.identifiers import Account
from schemas.ledger import CauseKind, Entry, EntryKind
from sinks.verify.chain import Stated

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_LINE = 1 << 20

Told = Mapping[str, object]
_decode = msgspec.json.Decoder(dict[str, object]).decode


class StatementError(Exception):
    """A file that is no statement; the text says where."""


def read_statement(name: str) -> Iterator[Stated]:
    """The entries of a file; StatementError names the one that cannot be read."""
    number = 1
    with ExitStack() as held:
        try:
            lines = held.enter_context(Path(name).open(encoding="utf-8", newline=""))
        except OSError as error:
            raise StatementError(f"{name} cannot be read: {error.strerror}") from None
        try:
            for told in _rows(lines):
                yield _stated(told)
                number += 1
        except KeyError as error:
            raise StatementError(f"{name}, entry {number} of the file: it has no {error}") from None
        except (ValueError, OverflowError, csv.Error) as error:
            raise StatementError(f"{name}, entry {number} of the file: {error}") from None


def _rows(lines: TextIO) -> Iterator[Told]:
    first = lines.readline(_LONGEST_LINE)
    every = chain([first], iter(lambda: lines.readline(_LONGEST_LINE), ""))
    if first.startswith("{"):
        return (_decode(line) for line in every if line.strip())
    return csv.DictReader(every, strict=True)


def _stated(told: Told) -> Stated:
    entry = Entry(
        Account(_text(told, "account")),
        _integer(told, "sequence"),
        cast("EntryKind", _text(told, "kind")),
        _micros(told, "lot_credits"),
        _micros(told, "owed_credits"),
        _micros(told, "billed_credits"),
        _micros(told, "balance_credits"),
        _text(told, "lot"),
        cast("CauseKind", _text(told, "cause")),
        _text(told, "source"),
        _text(told, "id"),
        _integer(told, "offset"),
        _text(told, "rate_card"),
        _microseconds(told, "occurred_at"),
        _microseconds(told, "ingested_at") // 1_000,
        _microseconds(told, "booked_at") // 1_000,
        _text(told, "late").lower() == "true",
        _micros(told, "price_minor"),
        _microseconds(told, "period_start") // 1_000,
        _text(told, "detail"),
    )
    return Stated(entry, _text(told, "previous"), _text(told, "hash"))


def _text(told: Told, name: str) -> str:
    # A line of CSV that is too short has None in its last places.
    value = told[name]
    if value is None:
        raise ValueError(f"{name} is empty")
    return str(value)


def _integer(told: Told, name: str) -> int:
    return int(_text(told, name))


def _micros(told: Told, name: str) -> int:
    return parse_micros(_text(told, name))


def _microseconds(told: Told, name: str) -> int:
    moment = datetime.fromisoformat(_text(told, name))
    if moment.tzinfo is None:
        raise ValueError(f"{name} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND

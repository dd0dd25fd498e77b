"""Reads a rate card from TOML, as people write it, and says all that is wrong with it at once."""

import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from schemas.identifiers import Node, RateCardVersion
from schemas.rate_card import DEFAULT_LINE, NodePrice, RateCard, Tier
from schemas.rate_card_prices import WrongFieldError, price_problems, read_amount, read_quantity
from schemas.usage import LONGEST_NAME

T = TypeVar("T")

_CARD_FIELDS = {"version", "line", "effective_at", "prices"}
_PRICE_FIELDS = {"unit", "credits_per_unit", "tiers", "minimum_credits", "counts_as_message"}
_TIER_FIELDS = {"up_to", "credits_per_unit"}
_NO_MOMENT = datetime.max.replace(tzinfo=UTC)
_LARGEST_FILE_BYTES = 1 << 20
_MOST_TIERS = 16
_MOST_NODES = 10_000
_MOST_PROBLEMS_SHOWN = 50


class RateCardFileError(Exception):
    """A rate card that cannot be used: a line for each problem, naming file, node and field."""


class _Problems(Struct):
    found: list[str]

    def at(self, place: str, problem: str) -> None:
        self.found.append(f"{place}: {problem}")

    def unknown(self, place: str, given: Iterable[str], known: set[str]) -> None:
        for field in sorted(set(given) - known):
            self.at(f"{place}.{field}".lstrip("."), f"unknown field; known are {', '.join(sorted(known))}")

    def read(self, place: str, value: object, reader: Callable[[object], T], otherwise: T) -> T:
        try:
            return reader(value)
        except WrongFieldError as error:
            self.at(place, str(error))
            return otherwise


def read_rate_card(path: Path) -> RateCard:
    """The rate card of a file; RateCardFileError says all that is wrong with it."""
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise RateCardFileError(f"{path}: larger than {_LARGEST_FILE_BYTES} bytes")
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise RateCardFileError(f"{path}: cannot be read: {error}") from None
    except (tomllib.TOMLDecodeError, ArithmeticError) as error:
        raise RateCardFileError(f"{path}: is not TOML: {error}") from None
    problems = _Problems([])
    card = _card(document, problems)
    if problems.found:
        shown = problems.found[:_MOST_PROBLEMS_SHOWN]
        left_out = len(problems.found) - len(shown)
        lines = [f"{path}: {problem}" for problem in shown]
        raise RateCardFileError("\n".join([*lines, *([f"{path}: and {left_out} more"] if left_out else [])]))
    return card


def _card(document: dict[str, object], problems: _Problems) -> RateCard:
    problems.unknown("", document, _CARD_FIELDS)
    version = problems.read("version", document.get("version"), _name, "")
    line = problems.read("line", document.get("line", DEFAULT_LINE), _name, "")
    effective_at = problems.read("effective_at", document.get("effective_at"), _moment, _NO_MOMENT)
    tables = problems.read("prices", document.get("prices"), _table, _no_table())
    if not 0 < len(tables) <= _MOST_NODES:
        problems.at("prices", f"has {len(tables)} nodes: give 1 to {_MOST_NODES}, as tables [prices.NODE]")
    prices = {Node(node): _price(node, table, problems) for node, table in tables.items()}
    return RateCard(version=RateCardVersion(version), line=line, effective_at=effective_at, prices=prices)


def _price(node: str, value: object, problems: _Problems) -> NodePrice:
    place = f"prices.{node}"
    if not 0 < len(node) <= LONGEST_NAME:
        problems.at(place, f"a node's name has 1 to {LONGEST_NAME} characters")
    table = problems.read(place, value, _table, _no_table())
    problems.unknown(place, table, _PRICE_FIELDS)
    before = len(problems.found)
    price = NodePrice(
        unit=problems.read(f"{place}.unit", table.get("unit"), _name, ""),
        tiers=_tiers(place, table, problems),
        minimum_credits=problems.read(
            f"{place}.minimum_credits", table.get("minimum_credits", 0), read_amount, Decimal(0)
        ),
        counts_as_message=problems.read(
            f"{place}.counts_as_message", table.get("counts_as_message", False), _yes_or_no, False
        ),
    )
    # What could not be read would only be told twice.
    if len(problems.found) == before:
        for field, problem in price_problems(price):
            problems.at(f"{place}.{field}", problem)
    return price


def _tiers(place: str, table: dict[str, object], problems: _Problems) -> tuple[Tier, ...]:
    if ("credits_per_unit" in table) == ("tiers" in table):
        problems.at(place, "give either credits_per_unit or tiers")
        return ()
    if "credits_per_unit" in table:
        amount = problems.read(f"{place}.credits_per_unit", table["credits_per_unit"], read_amount, Decimal(0))
        return (Tier(credits_per_unit=amount),)
    tiers = problems.read(f"{place}.tiers", table["tiers"], _list, _no_list())
    if not 0 < len(tiers) <= _MOST_TIERS:
        problems.at(f"{place}.tiers", f"has {len(tiers)} tiers: give 1 to {_MOST_TIERS}")
    return tuple(_tier(f"{place}.tiers[{index}]", value, problems) for index, value in enumerate(tiers))


def _tier(place: str, value: object, problems: _Problems) -> Tier:
    table = problems.read(place, value, _table, _no_table())
    problems.unknown(place, table, _TIER_FIELDS)
    up_to = table.get("up_to")
    return Tier(
        credits_per_unit=problems.read(
            f"{place}.credits_per_unit", table.get("credits_per_unit"), read_amount, Decimal(0)
        ),
        up_to=None if up_to is None else problems.read(f"{place}.up_to", up_to, read_quantity, Decimal(0)),
    )


def _no_table() -> dict[str, object]:
    return {}


def _no_list() -> list[object]:
    return []


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        raise WrongFieldError(f"is {_shown(value)}: give text of 1 to {LONGEST_NAME} characters")
    return value


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise WrongFieldError(f"is {_shown(value)}: give a time such as 2026-01-01T00:00:00Z, without quotes")
    if value.utcoffset() is None:
        raise WrongFieldError(f"is {value.isoformat()} without a zone: add Z or an offset such as +02:00")
    return value


def _table(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise WrongFieldError(f"is {_shown(value)}: give a table")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise WrongFieldError(f"is {_shown(value)}: give a list of tables")
    return value


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongFieldError(f"is {_shown(value)}: give true or false")
    return value


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:60]

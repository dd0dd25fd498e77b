"""JSON for the oracle: numbers as they were written, objects that know a name which came twice."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from schemas.dead_letter import Reason

Object = dict[str, object]


class Rejected(Exception):  # noqa: N818 - it is an answer, not an error of the oracle
    """A record that is not booked, and why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Number:
    """A JSON number as it was written: no float comes near it."""

    text: str


class Document(dict[str, object]):
    """A JSON object that knows how many pairs it was written with."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.pairs = len(pairs)


def read_json(text: str) -> Object:
    """The object that the text is; Rejected when it is none."""
    try:
        document = _decode(text)
        if "\\u" in text:
            # A lone surrogate escape parses, and then cannot be written as UTF-8.
            json.dumps(document, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError):
        raise Rejected(Reason.NOT_JSON) from None
    if not isinstance(document, dict):
        raise Rejected(Reason.NOT_JSON)
    return document


def says_something_twice(value: object) -> bool:
    """Whether a name comes twice in an object at any depth."""
    return any(isinstance(each, Document) and each.pairs > len(each) for each in _parts(value))


def _parts(value: object) -> Iterator[object]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=_no_constant, object_pairs_hook=Document
).decode

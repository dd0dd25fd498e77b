"""JSON as it was written: numbers stay text, a name that comes twice is noticed. The fast decoder is msgspec."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

Fields = Mapping[str, Any]

_SHOWN = 60


Number = bytes
"""A JSON number as it was written: no float ever touches it. JSON has no bytes, and they are quickly made."""


class Repeating(dict[str, Any]):
    """An object in which `name` comes more than once; the last value counts, as with every common reader."""

    name = ""


class NotJsonError(ValueError):
    """Text that is no JSON object, and why."""


def parse(value: bytes) -> Fields:
    """A JSON object; UnicodeDecodeError, ValueError or RecursionError say why bytes are none."""
    text = value.decode("utf-8")
    event = json.loads(
        text, parse_float=str.encode, parse_int=str.encode, parse_constant=_refuse_constant, object_pairs_hook=_object
    )
    # json accepts lone surrogates, which are no Unicode text.
    if "\\u" in text and not _is_unicode(json.dumps(event, ensure_ascii=False, default=bytes.decode)):
        raise NotJsonError("a \\u escape is half of a surrogate pair")
    if not isinstance(event, dict):
        raise NotJsonError(f"it is {kind(event)}")
    return event


def repeated_name(*objects: object) -> str | None:
    """A name that comes twice in one of these, if any does."""
    return next((found.name for found in objects if isinstance(found, Repeating)), None)


def repeated_name_within(value: object) -> str | None:
    """A name that comes twice in an object at any depth, if one does."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if isinstance(found, Repeating):
                return found.name
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
    return None


def show(value: object) -> str:
    """The start of a value, for people; what holds others is named by its kind, as it may be deep and large."""
    if isinstance(value, list | dict):
        return kind(value)
    shown = value.decode() if isinstance(value, Number) else repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def kind(value: object) -> str:
    """What a value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case Number():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    repeating = Repeating(fields)
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            repeating.name = name
            break
        seen.add(name)
    return repeating


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is no JSON")

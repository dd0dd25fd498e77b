"""Why a CloudEvent was not readable: the slow path, taken once the fast decoder refused the bytes."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.dead_letter import Reason
from schemas.usage import LONGEST_NAME
from stream.rules.json_text import Fields, kind, parse, repeated_name, show
from stream.rules.outcome import Reject

ENVELOPE_NAMES = ("id", "source", "subject")
ENVELOPE_FIELDS = (*ENVELOPE_NAMES, "time")

Problems = Callable[[Fields, Fields | None], Iterator[Reject | None]]
"""Every check of an event and of its data, in order."""


def diagnose(value: bytes, type_: str, problems: Problems) -> Reject:
    """The first thing that is wrong with an event of that type that could not be decoded."""
    event = parsed(value)
    if isinstance(event, Reject):
        return event
    data = event.get("data")
    found = (
        _type_problem(event, type_)
        or missing(event, ("data",))
        or next(filter(None, problems(event, data if isinstance(data, dict) else None)), None)
        or repetition(repeated_name(event, data))
        or Reject(Reason.INVALID_FIELD, "the event does not match the published schema")
    )
    return Reject(found.reason, found.detail, account_of(event))


def parsed(value: bytes) -> Fields | Reject:
    """The JSON object that the bytes are, or why they are none."""
    try:
        return parse(value)
    except UnicodeDecodeError as error:
        return Reject(Reason.NOT_UTF8, f"byte {error.start} is not UTF-8")
    except (ValueError, RecursionError) as error:
        return Reject(Reason.NOT_JSON, f"not a JSON object: {str(error)[:200] or 'nested too deeply'}")


def account_of(event: Fields) -> str:
    """The account, if its name could be one: a longer one would make a dead letter too large to be written."""
    account = event.get("subject")
    return account if isinstance(account, str) and len(account) <= LONGEST_NAME else ""


def repetition(name: str | None) -> Reject | None:
    """What to say of a name that comes twice."""
    return None if name is None else Reject(Reason.INVALID_FIELD, f"{show(name)} is there twice")


def missing(fields: Fields, names: Sequence[str], place: str = "") -> Reject | None:
    """The first of these fields that is not there, or empty."""
    for name in names:
        if fields.get(name) is None or fields[name] == "":
            return Reject(Reason.MISSING_FIELD, f"{place}{name} is missing or empty")
    return None


def not_text(name: str, value: object) -> Reject | None:
    """What to say of a field that should be text."""
    return None if isinstance(value, str) else Reject(Reason.INVALID_FIELD, f"{name} is {kind(value)}, not text")


def too_long(name: str, value: str, longest: int = LONGEST_NAME) -> Reject | None:
    """What to say of text of too many characters."""
    if len(value) <= longest:
        return None
    return Reject(Reason.INVALID_FIELD, f"{name} has {len(value)} characters, more than {longest}")


def names_problem(fields: Fields, names: Sequence[str]) -> Reject | None:
    """The first of these fields that is no name."""
    for name in names:
        found = not_text(name, fields.get(name)) or too_long(name, fields[name])
        if found is not None:
            return found
    return None


def not_an_object(name: str, value: object) -> Reject:
    """What to say of a field that should hold others."""
    return Reject(Reason.INVALID_FIELD, f"{name} is {kind(value)}, not an object")


def content_type_problem(event: Fields) -> Reject | None:
    """Whether the data are said to be something else than JSON."""
    found = event.get("datacontenttype", "application/json")
    if found != "application/json":
        return Reject(Reason.INVALID_FIELD, f"datacontenttype is {show(found)} instead of 'application/json'")
    return None


def time_problem(name: str, text: object) -> Reject | None:
    """Whether text is no moment with a zone."""
    try:
        msgspec.convert(text, Annotated[datetime, Meta(tz=True)])
    except (msgspec.ValidationError, ValueError):
        return Reject(Reason.INVALID_TIME, f"{name} is {show(text)}")
    return None


def _type_problem(event: Fields, type_: str) -> Reject | None:
    if event.get("specversion") != "1.0":
        return Reject(Reason.WRONG_SPECVERSION, f"specversion is {show(event.get('specversion'))}")
    if event.get("type") != type_:
        return Reject(Reason.WRONG_TYPE, f"type is {show(event.get('type'))} instead of {type_!r}")
    return None

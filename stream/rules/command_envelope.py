"""Why a command was not readable."""

from collections.abc import Iterator
from typing import get_args

import msgspec
from msgspec import Struct
from msgspec.inspect import StructType, type_info

from schemas.command import CommandData
from schemas.command_check import problems_of
from schemas.dead_letter import Reason
from stream.rules import shape
from stream.rules.envelope import (
    ENVELOPE_FIELDS,
    ENVELOPE_NAMES,
    account_of,
    content_type_problem,
    diagnose,
    missing,
    names_problem,
    not_an_object,
    not_text,
    parsed,
    repetition,
    time_problem,
)
from stream.rules.json_text import Fields, repeated_name_within, show
from stream.rules.outcome import Reject


class _Data(Struct):
    """What a command says, whatever its envelope."""

    data: CommandData


def _kinds() -> dict[str, StructType]:
    kinds = [type_info(each) for each in get_args(CommandData)]
    return {str(each.tag): each for each in kinds if isinstance(each, StructType)}


_KINDS = _kinds()
_decode_data = msgspec.json.Decoder(_Data).decode


def diagnose_command(value: bytes) -> Reject:
    """The first thing that is wrong with a command that could not be decoded."""
    return repetition_in_command(value) or diagnose(
        value, "creditstream.command", lambda event, data: _problems(value, event, data)
    )


def repetition_in_command(value: bytes) -> Reject | None:
    """A name that comes twice in an object of a command: two readers might carry out two different ones."""
    event = parsed(value)
    if isinstance(event, Reject):
        return event
    found = repetition(repeated_name_within(event))
    return found and Reject(found.reason, found.detail, account_of(event))


def _problems(value: bytes, event: Fields, data: Fields | None) -> Iterator[Reject | None]:
    """Every check of a command, in order: envelope, kind, fields, amounts, terms, time."""
    yield missing(event, ENVELOPE_FIELDS)
    if data is None:
        yield not_an_object("data", event.get("data"))
        return
    yield names_problem(event, ENVELOPE_NAMES) or not_text("time", event["time"])
    yield content_type_problem(event)
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        yield Reject(Reason.INVALID_FIELD, f"kind is {show(kind)}, not one of {', '.join(_KINDS)}")
        return
    found = list(shape.problems(data, _KINDS[kind]))
    yield from (each for each in found if each.reason is not Reason.INVALID_AMOUNT)
    yield from found
    yield from _terms_problems(value)
    yield time_problem("time", event["time"])


def _terms_problems(value: bytes) -> list[Reject]:
    try:
        data = _decode_data(value).data
    except (msgspec.DecodeError, RecursionError):
        return []
    return [Reject(each.reason, each.detail) for each in problems_of(data)]

"""Reads and checks commands: everything about them that needs no state; what is remembered of one."""

import hashlib
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo

from schemas.command import CommandData
from schemas.command_check import problems_of
from schemas.credits import parse_micros
from schemas.dead_letter import Reason
from schemas.identifiers import Account
from schemas.usage import LARGEST_EVENT_BYTES, LONGEST_NAME
from stream.rules.command_envelope import diagnose_command, repetition_in_command
from stream.rules.outcome import Reject
from stream.rules.usage import FUTURE_TOLERANCE_US, microseconds

OLDEST_MS = 90 * 24 * 3_600_000
REMEMBERED_MS = OLDEST_MS + FUTURE_TOLERANCE_US // 1_000
"""A command may be said 5 minutes ahead, and is accepted until 90 days after: no retry outlives the memory."""
_NAME = Meta(min_length=1, max_length=LONGEST_NAME)


class ReceivedCommand(Struct, frozen=True, gc=False):
    """schemas.command.Command as it is received: the envelope's own fields are required."""

    specversion: Literal["1.0"]
    type: Literal["creditstream.command"]
    id: Annotated[str, _NAME]
    source: Annotated[str, _NAME]
    subject: Annotated[Account, _NAME]
    time: Annotated[datetime, Meta(tz=True)]
    data: CommandData
    datacontenttype: Literal["application/json"] = "application/json"


class Remembered(Struct, array_like=True, gc=False):
    """Something that may be used once: a command's identity, a grant's name, a payment's reference, a refill's id.

    `content` is the SHA-256 of the command's type, subject and data; `at_ms` is when it was booked.
    """

    key: bytes
    content: bytes
    at_ms: int
    version: int = 0


_decode = msgspec.json.Decoder(ReceivedCommand).decode


def read_command(value: bytes | None, key: bytes | None) -> ReceivedCommand | Reject:
    """Decode a command and check what its own bytes and key can tell."""
    if value is None:
        return Reject(Reason.NOT_JSON, "the record has no value")
    if len(value) > LARGEST_EVENT_BYTES:
        return Reject(Reason.TOO_LARGE, f"{len(value)} bytes, more than {LARGEST_EVENT_BYTES}")
    try:
        if not value.isascii():
            value.decode()
        command = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return diagnose_command(value)
    # Commands are few, and money: what usage cannot afford is checked here.
    if (repeated := repetition_in_command(value)) is not None:
        return repeated
    if problems := problems_of(command.data):
        return Reject(*problems[0], command.subject)
    if key != command.subject.encode():
        shown = "absent" if key is None else repr(key[:LONGEST_NAME])
        return Reject(Reason.KEY_MISMATCH, f"the key is {shown}, the subject {command.subject!r}", command.subject)
    return command


def check_command_time(command: ReceivedCommand, clock_ms: int) -> Reject | None:
    """A command is refused once its identity would no longer be remembered, or when it comes from ahead."""
    said_at_us = microseconds(command.time)
    if said_at_us > clock_ms * 1_000 + FUTURE_TOLERANCE_US:
        return Reject(Reason.TOO_FAR_AHEAD, f"its time is {command.time.isoformat()}", command.subject)
    if said_at_us < (clock_ms - OLDEST_MS) * 1_000:
        return Reject(Reason.COMMAND_TOO_OLD, f"its time is {command.time.isoformat()}", command.subject)
    return None


def content_of(command: ReceivedCommand) -> bytes:
    """What makes two commands of one identity the same: type, subject and data, however their JSON was written."""
    said = (command.type, command.subject, _said(command.data))
    return hashlib.sha256(msgspec.json.encode(said)).digest()


def _said(value: Any) -> Any:
    """Amounts as integers of 10⁻⁶, moments as microseconds; what is as it would be unsaid is left out."""
    match value:
        case Struct():
            fields = _fields(type(value))
            said = {each.name: getattr(value, each.name) for each in fields}
            kept = {each.name: _said(said[each.name]) for each in fields if said[each.name] != each.default}
            return {"kind": value.__struct_config__.tag, **kept}
        case tuple():
            return [_said(each) for each in value]
        case Decimal():
            return parse_micros(value)
        case datetime():
            return microseconds(value)
        case date():
            return value.isoformat()
        case _:
            return value


@lru_cache
def _fields(kind: type[Struct]) -> tuple[FieldInfo, ...]:
    """Of each of the few kinds of struct once: msgspec looks at their annotations again and again."""
    return msgspec.structs.fields(kind)


decode_remembered = msgspec.msgpack.Decoder(Remembered).decode

"""Reads and checks commands, and remembers which were carried out."""

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.dead_letter import Reason
from schemas.identifiers import Account, GrantId
from schemas.payment import Payment
from schemas.usage import LARGEST_EVENT_BYTES, LONGEST_NAME
from stream.rules.envelope import diagnose_command, grant_microcredits, repetition_in_command
from stream.rules.outcome import Reject
from stream.rules.usage import FUTURE_TOLERANCE_US, microseconds

OLDEST_MS = 90 * 24 * 3_600_000
REMEMBERED_MS = OLDEST_MS + FUTURE_TOLERANCE_US // 1_000
"""A command may be said 5 minutes ahead, and is accepted until 90 days after: no retry outlives the memory."""
_NAME = Meta(min_length=1, max_length=LONGEST_NAME)


class ReceivedGrant(Struct, frozen=True, gc=False, tag_field="kind", tag="grant"):
    """schemas.command.Grant as it is received."""

    grant: Annotated[GrantId, _NAME]
    credits: Decimal
    reason: Annotated[str, Meta(max_length=LONGEST_NAME)] = ""


class ReceivedTopUp(Struct, frozen=True, gc=False, tag_field="kind", tag="top_up"):
    """schemas.command.TopUp as it is received."""

    grant: Annotated[GrantId, _NAME]
    credits: Decimal
    payment: Payment


class ReceivedCommand(Struct, frozen=True, gc=False):
    """schemas.command.Command as it is received: the envelope's own fields are required."""

    specversion: Literal["1.0"]
    type: Literal["creditstream.command"]
    id: Annotated[str, _NAME]
    source: Annotated[str, _NAME]
    subject: Annotated[Account, _NAME]
    time: Annotated[datetime, Meta(tz=True)]
    data: ReceivedGrant | ReceivedTopUp
    datacontenttype: Literal["application/json"] = "application/json"


class Remembered(Struct, array_like=True, gc=False):
    """Something that may be used once: a command's identity, a grant's name, a payment's reference.

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
    if (repetition := repetition_in_command(value)) is not None:
        return repetition
    try:
        granted_microcredits(command)
    except ValueError as error:
        return Reject(Reason.INVALID_AMOUNT, str(error), command.subject)
    if key != command.subject.encode():
        shown = "absent" if key is None else repr(key[:LONGEST_NAME])
        return Reject(Reason.KEY_MISMATCH, f"the key is {shown}, the subject {command.subject!r}", command.subject)
    return command


def granted_microcredits(command: ReceivedCommand) -> int:
    """What a grant or top-up gives; ValueError says what is allowed."""
    return grant_microcredits(command.data.credits)


def check_command_time(command: ReceivedCommand, clock_ms: int) -> Reject | None:
    """A command is refused once its identity would no longer be remembered, or when it comes from ahead."""
    said_at_us = microseconds(command.time)
    if said_at_us > clock_ms * 1_000 + FUTURE_TOLERANCE_US:
        return Reject(Reason.TOO_FAR_AHEAD, f"its time is {command.time.isoformat()}", command.subject)
    if said_at_us < (clock_ms - OLDEST_MS) * 1_000:
        return Reject(Reason.COMMAND_TOO_OLD, f"its time is {command.time.isoformat()}", command.subject)
    return None


def once_keys(command: ReceivedCommand) -> list[tuple[bytes, Reason]]:
    """What a command may use once, with the reason to give when somebody else used it: its identity comes first."""
    account = command.subject
    keys = [
        (_key("command", account, command.source, command.id), Reason.COMMAND_ID_REUSED),
        (_key("grant", account, command.data.grant), Reason.GRANT_ID_REUSED),
    ]
    if isinstance(command.data, ReceivedTopUp):
        keys.append((_key("payment", account, command.data.payment.reference), Reason.PAYMENT_REUSED))
    return keys


def content_of(command: ReceivedCommand) -> bytes:
    """What makes two commands of one identity the same: type, subject and data, however their JSON was written."""
    data = command.data
    if isinstance(data, ReceivedTopUp):
        payment = data.payment
        detail: tuple[object, ...] = (payment.reference, payment.amount_minor, payment.currency)
    else:
        detail = (data.reason,)
    content = (command.type, command.subject, data.grant, str(granted_microcredits(command)), *detail)
    return hashlib.sha256(msgspec.json.encode(content)).digest()


def _key(*parts: str) -> bytes:
    return msgspec.json.encode(parts)


decode_remembered = msgspec.msgpack.Decoder(Remembered).decode

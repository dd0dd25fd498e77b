"""Which records of the inputs may be booked, by the published schemas and the rules of the log alone.

Whether something was booked before, what it costs and how late it is, is asked in `books`.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from schemas.codec import decode_command, decode_usage_event
from schemas.command import Grant, TopUp
from schemas.command_check import problems
from schemas.credits import QUANTITY_MICROS_PER_UNIT, parse_micros
from schemas.partitioning import partition_of
from schemas.plan_command import ActivatePlan, ChangePlan
from schemas.rate_card import DEFAULT_LINE
from schemas.usage import LARGEST_EVENT_BYTES, LARGEST_QUANTITY

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class InputRecord(NamedTuple):
    """A record of an input; `appended_ms` is the broker's time."""

    offset: int
    appended_ms: int
    key: bytes | None
    value: bytes | None


class Usage(NamedTuple):
    """What an event says, in integers: microseconds since 1970, millionths of a unit."""

    account: str
    source: str
    id: str
    occurred_at_us: int
    agent: str
    conversation: str
    channel: str
    node: str
    quantity_micros: int


class Gift(NamedTuple):
    """What a command says; `data` is compared where its identity comes again."""

    account: str
    source: str
    id: str
    time_us: int
    microcredits: int
    data: Grant | TopUp


class Told(NamedTuple):
    """A command of another kind: what it does is the ledger's to say. `line` is the one that its plan prices by."""

    account: str
    source: str
    id: str
    line: str


class _UsageEnvelope(Struct):
    """The schema's defaults are for writers: whoever sends must state these."""

    specversion: Literal["1.0"]
    type: Literal["creditstream.usage"]


class _CommandEnvelope(Struct):
    specversion: Literal["1.0"]
    type: Literal["creditstream.command"]


_stated_usage = msgspec.json.Decoder(_UsageEnvelope).decode
_stated_command = msgspec.json.Decoder(_CommandEnvelope).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


def read_usage(record: InputRecord) -> Usage | None:
    """The event of a record, or None where it is none that may be booked."""
    value = record.value
    if value is None or len(value) > LARGEST_EVENT_BYTES:
        return None
    try:
        # Fields that the schema does not know are passed over, and must be text all the same.
        value.decode()
        _stated_usage(value)
        event = decode_usage_event(value)
        used = event.data
        quantity_micros = parse_micros(used.quantity)
    except _UNREADABLE:
        return None
    if record.key != event.subject.encode() or not 0 < quantity_micros <= LARGEST_QUANTITY * QUANTITY_MICROS_PER_UNIT:
        return None
    return Usage(
        event.subject,
        event.source,
        event.id,
        microseconds(event.time),
        used.agent,
        used.conversation,
        used.channel.value,
        used.node,
        quantity_micros,
    )


def read_command(record: InputRecord) -> Gift | Told | None:
    """The command of a record, or None where it is none that may be carried out."""
    value = record.value
    if value is None or len(value) > LARGEST_EVENT_BYTES:
        return None
    try:
        value.decode()
        _stated_command(value)
        command = decode_command(value)
        if _says_something_twice(value):
            return None
        data = command.data
        if problems(command):
            return None
        microcredits = parse_micros(data.credits) if isinstance(data, Grant | TopUp) else 0
    except _UNREADABLE:
        return None
    if record.key != command.subject.encode():
        return None
    if not isinstance(data, Grant | TopUp):
        line = data.plan.rate_card_line if isinstance(data, ActivatePlan | ChangePlan) else DEFAULT_LINE
        return Told(command.subject, command.source, command.id, line)
    time_us = microseconds(command.time)
    return Gift(command.subject, command.source, command.id, time_us, microcredits, data)


def _says_something_twice(command: bytes) -> bool:
    """Whether readers could differ about a command: a name comes twice in one of its objects."""
    repeated: list[bool] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        repeated.append(len(pairs) > len({name for name, _ in pairs}))

    json.loads(command, object_pairs_hook=note, parse_int=str, parse_float=str)
    return any(repeated)


def belongs(account: str, partition: int, partitions: int) -> bool:
    """Whether an account may be booked in that partition."""
    return not account.startswith("\0") and partition_of(account.encode(), partitions) == partition


def microseconds(moment: datetime) -> int:
    """A moment as integer microseconds since 1970, UTC."""
    return (moment - _EPOCH) // _MICROSECOND

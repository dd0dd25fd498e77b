"""Reads and checks a usage event: everything about it that needs no state."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.credits import QUANTITY_MICROS_PER_UNIT
from schemas.dead_letter import Reason
from schemas.identifiers import Account, Agent, Conversation, EventId, Node
from schemas.usage import LARGEST_EVENT_BYTES, LARGEST_QUANTITY, LONGEST_NAME
from stream.rules.outcome import Reject
from stream.rules.usage_envelope import diagnose_usage, quantity_micros

FUTURE_TOLERANCE_US = 5 * 60 * 1_000_000
US_PER_HOUR = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = Meta(min_length=1, max_length=LONGEST_NAME)


class Used(Struct, frozen=True, gc=False):
    """`data` as it is received; channels are plain strings here, since an enum's hash is a Python call."""

    agent: Annotated[Agent, _NAME]
    conversation: Annotated[Conversation, _NAME]
    channel: Literal["api", "widget", "chat_portal", "whatsapp", "test_chat", "reports"]
    node: Annotated[Node, _NAME]
    quantity: int | Decimal = 1


class Received(Struct, frozen=True, gc=False):
    """schemas.usage.UsageEvent as it is received: the envelope's own fields are required."""

    specversion: Literal["1.0"]
    type: Literal["creditstream.usage"]
    id: Annotated[EventId, _NAME]
    source: Annotated[str, _NAME]
    subject: Annotated[Account, _NAME]
    time: Annotated[datetime, Meta(tz=True)]
    data: Used
    datacontenttype: Literal["application/json"] = "application/json"


_decode = msgspec.json.Decoder(Received).decode


def read_usage(value: bytes | None, key: bytes | None) -> Received | Reject:
    """Decode an event and check what its own bytes and key can tell."""
    if value is None:
        return Reject(Reason.NOT_JSON, "the record has no value")
    if len(value) > LARGEST_EVENT_BYTES:
        return Reject(Reason.TOO_LARGE, f"{len(value)} bytes, more than {LARGEST_EVENT_BYTES}")
    try:
        # The decoder does not look into fields it skips; ASCII is known to be UTF-8 at once.
        if not value.isascii():
            value.decode()
        event = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return diagnose_usage(value)
    if type(event.data.quantity) is not int or not 0 < event.data.quantity <= LARGEST_QUANTITY:
        try:
            quantity_micros(event.data.quantity)
        except ValueError as error:
            return Reject(Reason.INVALID_QUANTITY, str(error), event.subject)
    if key != event.subject.encode():
        shown = "absent" if key is None else repr(key[:LONGEST_NAME])
        return Reject(Reason.KEY_MISMATCH, f"the key is {shown}, the subject {event.subject!r}", event.subject)
    return event


def quantity_in_micros(quantity: int | Decimal) -> int:
    """The quantity of a checked event, in 10⁻⁶ units."""
    return quantity * QUANTITY_MICROS_PER_UNIT if type(quantity) is int else quantity_micros(quantity)


def microseconds(moment: datetime) -> int:
    """A moment as integer microseconds since 1970, UTC."""
    since = moment - EPOCH
    # Half the time of dividing by a microsecond.
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def wrong_time(event: Received, occurred_at_us: int, clock_us: int, horizon_us: int) -> Reject:
    """Accepted is what would still be recognised as a duplicate, and what is at most 5 minutes ahead: neither."""
    if occurred_at_us > clock_us:
        ahead = (occurred_at_us - clock_us) // 1_000_000
        return Reject(Reason.TOO_FAR_AHEAD, f"it occurred {ahead} s after it was ingested", event.subject)
    hours, allowed = (clock_us - occurred_at_us) / US_PER_HOUR, horizon_us / US_PER_HOUR
    detail = f"it occurred {hours:.2f} hours before it was ingested, more than {allowed:.2f}"
    return Reject(Reason.OLDER_THAN_DEDUP_WINDOW, detail, event.subject)

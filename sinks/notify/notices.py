"""Notices as the notifier holds them, and how records become them."""

import re

import msgspec

from schemas.notice_events import NoticeEvent, RefillRequestData, decode_notice
from schemas.undelivered_notice import NoticeKind, UndeliveredNotice, decode_undelivered
from sinks.records import Record

_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
"""What may stand in a header, and holds no full stop, which parts the id from the time in what is signed."""


class UnreadableError(Exception):
    """A record that is no notice; the text says why."""


class Held:
    """A notice from when it is read until it is delivered or given up; `webhook_id` is its idempotency key."""

    __slots__ = ("account", "body", "due_at", "forgotten", "kind", "record", "said", "tries", "webhook_id")

    def __init__(self, record: Record, kind: NoticeKind, account: str, webhook_id: str, body: bytes) -> None:
        self.record = record
        self.kind = kind
        self.account = account
        self.webhook_id = webhook_id
        self.body = body
        self.tries = 0
        self.due_at = 0.0
        self.said = ""
        """What was answered last."""
        self.forgotten = False
        """Whether it is another notifier's by now."""


def read_notice(record: Record, kind: NoticeKind) -> Held:
    """The notice of a record of its kind's topic, its body being the record's value as it stands; UnreadableError."""
    held = _held(record, record.value or b"")
    if held.kind != kind:
        raise UnreadableError(f"it is of the kind {held.kind}, and its topic is of {kind}")
    return held


def read_redelivery(record: Record) -> Held | None:
    """The notice that a record asks to deliver after all; None for an undelivered one, which asks for nothing."""
    try:
        read = decode_undelivered(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(str(error)) from None
    return None if isinstance(read, UndeliveredNotice) else _held(record, read.value)


def _held(record: Record, body: bytes) -> Held:
    try:
        event = decode_notice(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(str(error)) from None
    webhook_id = _webhook_id(event)
    if not _ID.fullmatch(webhook_id):
        raise UnreadableError("its id has other characters than letters, digits, - and _, or more than 200 of them")
    return Held(record, kind_of(event), event.subject, webhook_id, body)


def kind_of(event: NoticeEvent) -> NoticeKind:
    """The kind of an event's data."""
    kind: NoticeKind = event.data.__struct_config__.tag  # type: ignore[assignment]
    return kind


def _webhook_id(event: NoticeEvent) -> str:
    # A request that is repeated is the same request, with the same id in the body, and yet a message of its own: a
    # receiver that keeps the ids of messages, and lost the first after it took it, must not take this one for that.
    if isinstance(event.data, RefillRequestData) and event.data.attempt > 1:
        return f"{event.id}-{event.data.attempt}"
    return event.id

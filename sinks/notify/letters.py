"""What is written of a notice that is given up: its bytes, what was answered, and what to do."""

import hashlib
from typing import Any, NamedTuple

from schemas.dead_letter import LARGEST_DEAD_LETTER_BYTES
from schemas.undelivered_notice import Reason, UndeliveredNotice
from sinks.notify.notices import Held
from sinks.records import Record

_LONGEST_DETAIL = 2_000
_FIXES: dict[Reason, str] = {
    "refused": "Correct the endpoint or its secret, then run `python -m sinks redeliver`.",
    "given_up": "Bring the endpoint back, then run `python -m sinks redeliver`.",
    "unreadable": "Find what wrote it: a notifier must not be older than the worker.",
    "no_endpoint": "Set the URL of its kind, then run `python -m sinks redeliver`.",
}


class Letter(NamedTuple):
    """What is to be written of a record, and its notice if it was one that could be sent."""

    letter: UndeliveredNotice
    record: Record
    held: Held | None


def letter_of(held: Held, reason: Reason, now_ms: int) -> Letter:
    """Of a notice that was read."""
    detail = f"{held.said}, at the last of {held.tries} tries" if held.tries else "it was not tried"
    letter = UndeliveredNotice(
        reason=reason,
        detail=detail[:_LONGEST_DETAIL],
        fix=_FIXES[reason],
        kind=held.kind,
        id=held.webhook_id,
        account=held.account,
        attempts=held.tries,
        **_origin(held.record, held.body),
        undelivered_at_ms=now_ms,
    )
    return Letter(letter, held.record, held)


def letter_of_record(record: Record, detail: str, now_ms: int) -> Letter:
    """Of a record that is no notice."""
    letter = UndeliveredNotice(
        reason="unreadable",
        detail=f"the record cannot be read: {detail}"[:_LONGEST_DETAIL],
        fix=_FIXES["unreadable"],
        kind="",
        id="",
        account="",
        attempts=0,
        **_origin(record, record.value or b""),
        undelivered_at_ms=now_ms,
    )
    return Letter(letter, record, None)


def _origin(record: Record, value: bytes) -> dict[str, Any]:
    return {
        "written_at_ms": max(record.timestamp_ms, 0),
        "topic": record.place.topic,
        "partition": record.place.partition,
        "offset": record.offset,
        "value": value[:LARGEST_DEAD_LETTER_BYTES],
        "value_bytes": len(value),
        "value_sha256": hashlib.sha256(value).hexdigest(),
    }

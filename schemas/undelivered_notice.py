"""What is in `sinks.undelivered-notices`: notices that no endpoint took, and those that are to be delivered after all.

JSON, keyed by account, told apart by `record`. Whoever counts undelivered notices counts `undelivered` alone.
"""

from typing import Literal

import msgspec
from msgspec import Struct

NoticeKind = Literal["alert", "refill_request", "bill"]
Reason = Literal["refused", "given_up", "unreadable", "no_endpoint"]


class UndeliveredNotice(Struct, frozen=True, gc=False, tag_field="record", tag="undelivered"):
    """A notice that was not delivered; `detail` says what was answered last, `fix` what to do.

    `topic`, `partition` and `offset` are where it was read. `value` (base64) holds at most 512 KiB of its bytes;
    `value_bytes` and `value_sha256` are of all of them. `kind`, `id` and `account` are empty where they could not be
    read. `attempts` are those of the notifier that gave it up. Times are in milliseconds since 1970, UTC.
    """

    reason: Reason
    detail: str
    fix: str
    kind: str
    id: str
    account: str
    attempts: int
    written_at_ms: int
    undelivered_at_ms: int
    topic: str
    partition: int
    offset: int
    value: bytes
    value_bytes: int
    value_sha256: str


class Redelivery(Struct, frozen=True, gc=False, tag_field="record", tag="redelivery"):
    """Asks the notifier to deliver the undelivered notice at this place of the same topic, whose bytes it repeats."""

    partition: int
    offset: int
    kind: str
    id: str
    account: str
    asked_at_ms: int
    value: bytes


decode_undelivered = msgspec.json.Decoder(UndeliveredNotice | Redelivery).decode

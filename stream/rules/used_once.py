"""What may be used once: remembered for as long as a retry of the command that used it would be accepted."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec

from schemas.dead_letter import Reason
from stream.rules.commands import REMEMBERED_MS, Remembered
from stream.rules.outcome import Reject

K = TypeVar("K", contravariant=True)
R = TypeVar("R")


class Rows(Protocol[K, R]):
    """A table, as far as rules know tables."""

    changed: list[R]

    def get(self, key: K, /) -> R | None: ...
    def pop(self, key: K, default: None, /) -> R | None: ...
    def __setitem__(self, key: K, row: R, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...


OnceKey = tuple[bytes, Reason]
"""A key of the table, and the reason to give when somebody else used it."""


def key_of(kind: str, account: str, *names: str) -> bytes:
    """The key of what is used once in an account: kinds are kept apart, and names that would read alike when joined."""
    return msgspec.json.encode((kind, account, *names))


def used_before(
    account: str, keys: Iterable[OnceKey], content: bytes, clock_ms: int, rows: Rows[bytes, Remembered]
) -> bool | Reject | None:
    """Whether a command may not use these: False when it is one that was carried out, sent again; None when it may.

    Its identity comes first.
    """
    for key, reason in keys:
        before = rows.get(key)
        if before is None or clock_ms - before.at_ms > REMEMBERED_MS:
            continue
        if reason is Reason.COMMAND_ID_REUSED and before.content == content:
            return False
        return Reject(reason, _DETAILS[reason], account)
    return None


def remember(
    keys: Iterable[OnceKey], content: bytes, clock_ms: int, version: int, rows: Rows[bytes, Remembered]
) -> None:
    """Note that a command of this content used them."""
    for key, _ in keys:
        # Taken out first: rows stay in the order in which they were booked.
        rows.pop(key, None)
        row = rows[key] = Remembered(key, content, clock_ms, version)
        rows.changed.append(row)


_DETAILS = {
    Reason.COMMAND_ID_REUSED: "its source and id were used by a command of other content",
    Reason.GRANT_ID_REUSED: "the account has a grant of this name, or had one",
    Reason.PAYMENT_REUSED: "the payment bought credits before",
    Reason.REFILL_ANSWERED: "the refill request was paid before",
}

"""What an endpoint's answer means: taken, refused for good, or worth another try, and how long to wait for that."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0
LONGEST_RETRY_AFTER_SECONDS = 3_600.0
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
"""Request Timeout, Too Early, Too Many Requests: what another try may change."""


class Verdict(Enum):
    """What an answer means for the notice."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"


class Answer(NamedTuple):
    """What came back of one try: a status, or what went wrong before there was one; `seconds` is what it took."""

    status: int | None
    problem: str = ""
    retry_after: str | None = None
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        if self.status is None or self.status in _WORTH_ANOTHER_TRY:
            return Verdict.FAILED
        if 200 <= self.status < 300:
            return Verdict.DELIVERED
        return Verdict.REFUSED if 400 <= self.status < 500 else Verdict.FAILED

    def __str__(self) -> str:
        return self.problem if self.status is None else f"HTTP status {self.status}"


def retry_after_seconds(header: str | None, now_seconds: float) -> float:
    """How long an endpoint asks to be left alone, in seconds or until a date; at most an hour, 0 if it does not say."""
    if header is None:
        return 0.0
    text = header.strip()
    if text.isascii() and text.isdigit():
        # Longer digits are longer than the bound, and int() refuses some thousand of them.
        return min(float(text[:10]), LONGEST_RETRY_AFTER_SECONDS)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    waits = (until - datetime.fromtimestamp(now_seconds, UTC)).total_seconds()
    return min(max(waits, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def wait_seconds(tries: int, draw: Callable[[float, float], float]) -> float:
    """The wait after so many tries of a notice: a second, doubling to five minutes, drawn from the upper half of it."""
    # Capped before it is raised: a day of tries would overflow a float.
    step = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(tries - 1, 32))
    return draw(step / 2, step)

"""Instants as the rules have them, and as the oracle has them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ms(time: datetime) -> int:
    """Milliseconds since 1970, UTC."""
    return (time - _EPOCH) // timedelta(milliseconds=1)


def time_at(at_ms: int) -> datetime:
    """The same back."""
    return _EPOCH + timedelta(milliseconds=at_ms)

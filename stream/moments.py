"""Days and times as command lines give them."""

import argparse
from datetime import UTC, datetime


def parse_moment(text: str) -> int:
    """A day, or a time with its zone, in milliseconds since 1970, UTC; argparse tells what is wrong."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a day nor a time such as 2026-11-01T14:00:00Z") from None
    if moment.tzinfo is None:
        if len(text) > len("2026-11-01"):
            raise argparse.ArgumentTypeError(f"{text!r} has no time zone: write 2026-11-01T14:00:00Z, or a day alone")
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000)

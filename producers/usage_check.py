"""What is checked of a report before anything is sent, and how it is said."""

from datetime import datetime
from decimal import Decimal

from schemas.credits import QUANTITY_MICROS_PER_UNIT, format_credits, parse_micros
from schemas.usage import LARGEST_QUANTITY, LONGEST_NAME, Channel

CHANNELS = frozenset(channel.value for channel in Channel)


class InvalidUsageError(ValueError):
    """An argument of a report that the pipeline would reject: its name, its value and what is allowed."""


def check_name(name: str, value: object) -> None:
    """A name is text of 1 to 256 characters, of valid Unicode."""
    if not isinstance(value, str):
        raise InvalidUsageError(f"{name} is {_shown(value)}: pass text of 1 to {LONGEST_NAME} characters")
    if not 0 < len(value) <= LONGEST_NAME:
        raise InvalidUsageError(
            f"{name} has {len(value)} characters ({_shown(value)}): pass text of 1 to {LONGEST_NAME}"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidUsageError(
            f"{name} is {_shown(value)}, which holds half a surrogate pair: pass text that UTF-8 can write"
        ) from None


def check_channel(channel: object) -> None:
    """A channel is one of those that the schema lists."""
    if not isinstance(channel, str) or channel not in CHANNELS:
        raise InvalidUsageError(
            f"channel is {_shown(channel)}, which is unknown: pass one of {', '.join(sorted(CHANNELS))}"
        )


def check_quantity(quantity: object) -> int | Decimal:
    """A quantity as it is sent: above 0, at most 10¹², at most six decimals, and never a float."""
    if isinstance(quantity, bool) or not isinstance(quantity, int | Decimal):
        raise InvalidUsageError(f"quantity is {_shown(quantity)}: pass an int or a Decimal (a float is not exact)")
    try:
        micros = parse_micros(quantity)
    except ValueError as error:
        raise InvalidUsageError(f"quantity: {error}; pass one above 0 with at most six decimals") from None
    if not 0 < micros <= LARGEST_QUANTITY * QUANTITY_MICROS_PER_UNIT:
        raise InvalidUsageError(f"quantity is {quantity}: pass one above 0 and at most {LARGEST_QUANTITY}")
    whole, rest = divmod(micros, QUANTITY_MICROS_PER_UNIT)
    return Decimal(format_credits(micros)) if rest else whole


def check_time(occurred_at: object) -> str:
    """A time as it is sent, of a datetime with a zone: a naive one would be read differently elsewhere."""
    if not isinstance(occurred_at, datetime):
        raise InvalidUsageError(f"occurred_at is {_shown(occurred_at)}: pass a datetime with a zone")
    if occurred_at.utcoffset() is None:
        raise InvalidUsageError(
            f"occurred_at is {occurred_at.isoformat()} without a zone: pass datetime.now(UTC) or alike"
        )
    return occurred_at.isoformat()


def check_usage(
    account: object, agent: object, conversation: object, channel: object, node: object, quantity: object
) -> int | Decimal:
    """Says the first thing that is wrong with a report, or returns its quantity as it is sent."""
    check_name("account", account)
    check_name("agent", agent)
    check_name("conversation", conversation)
    check_name("node", node)
    check_channel(channel)
    return check_quantity(quantity)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

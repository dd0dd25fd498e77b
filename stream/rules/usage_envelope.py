"""Why a usage event was not readable."""

from collections.abc import Iterator

from schemas.credits import parse_micros
from schemas.dead_letter import Reason
from schemas.usage import LARGEST_QUANTITY, Channel
from stream.rules.envelope import (
    ENVELOPE_FIELDS,
    ENVELOPE_NAMES,
    content_type_problem,
    diagnose,
    missing,
    names_problem,
    not_an_object,
    not_text,
    time_problem,
)
from stream.rules.json_text import Fields, Number, kind, show
from stream.rules.outcome import Reject

_SHOWN = 60
_USAGE_NAMES = ("agent", "conversation", "channel", "node")
_LARGEST_QUANTITY_MICROS = LARGEST_QUANTITY * 1_000_000


def diagnose_usage(value: bytes) -> Reject:
    """The first thing that is wrong with a usage event that could not be decoded."""
    return diagnose(value, "creditstream.usage", _problems)


def quantity_micros(quantity: object) -> int:
    """A quantity in 10⁻⁶ units; ValueError says what is allowed."""
    micros = parse_micros(quantity)  # type: ignore[arg-type]
    if not 0 < micros <= _LARGEST_QUANTITY_MICROS:
        raise ValueError(f"quantity {str(quantity)[:_SHOWN]} is not above 0 and at most 10^12")
    return micros


def _problems(event: Fields, data: Fields | None) -> Iterator[Reject | None]:
    """Every check of a usage event, in order."""
    yield missing(event, ENVELOPE_FIELDS)
    if data is None:
        yield not_an_object("data", event.get("data"))
        return
    yield missing(data, _USAGE_NAMES)
    yield names_problem(event, ENVELOPE_NAMES) or not_text("time", event["time"])
    yield names_problem(data, _USAGE_NAMES)
    yield content_type_problem(event)
    yield _channel_problem(data)
    yield _quantity_problem(data)
    yield time_problem("time", event["time"])


def _channel_problem(data: Fields) -> Reject | None:
    if data.get("channel") in {channel.value for channel in Channel}:
        return None
    return Reject(Reason.UNKNOWN_CHANNEL, f"channel is {show(data.get('channel'))}")


def _quantity_problem(data: Fields) -> Reject | None:
    quantity = data.get("quantity", "1")
    if not isinstance(quantity, str | Number):
        return Reject(Reason.INVALID_QUANTITY, f"quantity is {kind(quantity)}")
    try:
        quantity_micros(quantity if isinstance(quantity, str) else quantity.decode())
    except ValueError as error:
        return Reject(Reason.INVALID_QUANTITY, str(error))
    return None

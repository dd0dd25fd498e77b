"""Why a CloudEvent was not readable: the slow path, taken once the fast decoder refused the bytes."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.command import LARGEST_GRANT_CREDITS
from schemas.credits import MICROCREDITS_PER_CREDIT, parse_credits, parse_micros
from schemas.dead_letter import Reason
from schemas.payment import LARGEST_AMOUNT_MINOR
from schemas.usage import LARGEST_QUANTITY, LONGEST_NAME, Channel
from stream.rules.json_text import Fields, Number, kind, parse, repeated_name, show
from stream.rules.outcome import Reject

_SHOWN = 60
_ENVELOPE_NAMES = ("id", "source", "subject")
_ENVELOPE_FIELDS = (*_ENVELOPE_NAMES, "time")
_USAGE_NAMES = ("agent", "conversation", "channel", "node")
_MINOR = re.compile(rb"-0|[0-9]{1,16}")
_LARGEST_QUANTITY_MICROS = LARGEST_QUANTITY * 1_000_000


def diagnose_usage(value: bytes) -> Reject:
    """The first thing that is wrong with a usage event that could not be decoded."""
    return _diagnose(value, "creditstream.usage", _usage_problems)


def diagnose_command(value: bytes) -> Reject:
    """The first thing that is wrong with a command that could not be decoded."""
    return repetition_in_command(value) or _diagnose(value, "creditstream.command", _command_problems)


def repetition_in_command(value: bytes) -> Reject | None:
    """A name that comes twice in a command: two readers might carry out two different ones."""
    try:
        event = parse(value)
    except (ValueError, RecursionError):
        return _diagnose(value, "creditstream.command", _command_problems)
    data = event.get("data")
    found = _repetition(event, data, data.get("payment") if isinstance(data, dict) else None)
    return found and Reject(found.reason, found.detail, _account(event))


def quantity_micros(quantity: object) -> int:
    """A quantity in 10⁻⁶ units; ValueError says what is allowed."""
    micros = parse_micros(quantity)  # type: ignore[arg-type]
    if not 0 < micros <= _LARGEST_QUANTITY_MICROS:
        raise ValueError(f"quantity {str(quantity)[:_SHOWN]} is not above 0 and at most 10^12")
    return micros


def grant_microcredits(amount: str | Decimal) -> int:
    """What a grant or top-up gives, in microcredits; ValueError says what is allowed."""
    microcredits = parse_credits(amount)
    if not 0 < microcredits <= LARGEST_GRANT_CREDITS * MICROCREDITS_PER_CREDIT:
        raise ValueError(f"credits {str(amount)[:_SHOWN]} is not above 0 and at most 10^9")
    return microcredits


def _diagnose(value: bytes, type_: str, find: Callable[[Fields, Fields | None], Iterator[Reject | None]]) -> Reject:
    try:
        event = parse(value)
    except UnicodeDecodeError as error:
        return Reject(Reason.NOT_UTF8, f"byte {error.start} is not UTF-8")
    except (ValueError, RecursionError) as error:
        return Reject(Reason.NOT_JSON, f"not a JSON object: {str(error)[:200] or 'nested too deeply'}")
    data = event.get("data")
    problems = find(event, data if isinstance(data, dict) else None)
    found = (
        _envelope_problem(event, type_)
        or _missing(event, ("data",))
        or next(filter(None, problems), None)
        or _repetition(event, data)
        or Reject(Reason.INVALID_FIELD, "the event does not match the published schema")
    )
    return Reject(found.reason, found.detail, _account(event))


def _account(event: Fields) -> str:
    # A name too long to be one would make a dead letter too large to be written.
    account = event.get("subject")
    return account if isinstance(account, str) and len(account) <= LONGEST_NAME else ""


def _repetition(*objects: object) -> Reject | None:
    name = repeated_name(*objects)
    return None if name is None else Reject(Reason.INVALID_FIELD, f"{show(name)} is there twice")


def _usage_problems(event: Fields, data: Fields | None) -> Iterator[Reject | None]:
    """Every check of a usage event, in order."""
    yield _missing(event, _ENVELOPE_FIELDS)
    if data is None:
        yield _not_an_object("data", event.get("data"))
        return
    yield _missing(data, _USAGE_NAMES)
    yield _names_problem(event, _ENVELOPE_NAMES) or _not_text("time", event["time"])
    yield _names_problem(data, _USAGE_NAMES)
    yield _content_type_problem(event)
    yield _channel_problem(data)
    yield _quantity_problem(data)
    yield _time_problem(event)


def _command_problems(event: Fields, data: Fields | None) -> Iterator[Reject | None]:
    """Every check of a command, in order."""
    yield _missing(event, _ENVELOPE_FIELDS)
    if data is None:
        yield _not_an_object("data", event.get("data"))
        return
    yield _names_problem(event, _ENVELOPE_NAMES) or _not_text("time", event["time"])
    yield _content_type_problem(event)
    if data.get("kind") not in ("grant", "top_up"):
        yield Reject(Reason.INVALID_FIELD, f"kind is {show(data.get('kind'))}, not grant or top_up")
    yield _missing(data, ("grant", "credits"))
    yield _names_problem(data, ("grant",))
    yield from _payment_problems(data) if data.get("kind") == "top_up" else [_reason_problem(data)]
    yield _credits_problem(data)
    yield _time_problem(event)


def _envelope_problem(event: Fields, type_: str) -> Reject | None:
    if event.get("specversion") != "1.0":
        return Reject(Reason.WRONG_SPECVERSION, f"specversion is {show(event.get('specversion'))}")
    if event.get("type") != type_:
        return Reject(Reason.WRONG_TYPE, f"type is {show(event.get('type'))} instead of {type_!r}")
    return None


def _missing(fields: Fields, names: Sequence[str]) -> Reject | None:
    for name in names:
        if fields.get(name) is None or fields[name] == "":
            return Reject(Reason.MISSING_FIELD, f"{name} is missing or empty")
    return None


def _not_text(name: str, value: object) -> Reject | None:
    return None if isinstance(value, str) else Reject(Reason.INVALID_FIELD, f"{name} is {kind(value)}, not text")


def _names_problem(fields: Fields, names: Sequence[str]) -> Reject | None:
    for name in names:
        value = fields.get(name)
        if not isinstance(value, str):
            return _not_text(name, value)
        if len(value) > LONGEST_NAME:
            return Reject(Reason.INVALID_FIELD, f"{name} has {len(value)} characters, more than {LONGEST_NAME}")
    return None


def _not_an_object(name: str, value: object) -> Reject:
    return Reject(Reason.INVALID_FIELD, f"{name} is {kind(value)}, not an object")


def _channel_problem(data: Fields) -> Reject | None:
    if data.get("channel") in {channel.value for channel in Channel}:
        return None
    return Reject(Reason.UNKNOWN_CHANNEL, f"channel is {show(data.get('channel'))}")


def _quantity_problem(data: Fields) -> Reject | None:
    quantity = data.get("quantity", "1")
    if not isinstance(quantity, str | Number):
        return Reject(Reason.INVALID_QUANTITY, f"quantity is {kind(quantity)}")
    try:
        quantity_micros(_written(quantity))
    except ValueError as error:
        return Reject(Reason.INVALID_QUANTITY, str(error))
    return None


def _written(amount: str | Number) -> str:
    return amount if isinstance(amount, str) else amount.decode()


def _credits_problem(data: Fields) -> Reject | None:
    amount = data.get("credits")
    if not isinstance(amount, str | Number):
        return Reject(Reason.INVALID_AMOUNT, f"credits is {kind(amount)}")
    try:
        grant_microcredits(_written(amount))
    except ValueError as error:
        return Reject(Reason.INVALID_AMOUNT, str(error))
    return None


def _reason_problem(data: Fields) -> Reject | None:
    return _names_problem(data, ("reason",)) if "reason" in data else None


def _payment_problems(data: Fields) -> Iterator[Reject | None]:
    yield _missing(data, ("payment",))
    payment = data.get("payment")
    if not isinstance(payment, dict):
        yield _not_an_object("payment", payment)
        return
    yield _missing(payment, ("reference", "amount_minor", "currency"))
    yield _names_problem(payment, ("reference", "currency"))
    yield (
        Reject(Reason.INVALID_FIELD, "payment is not as the published schema has it")
        if not (
            _is_amount_minor(payment.get("amount_minor")) and re.fullmatch("[A-Z]{3}", str(payment.get("currency")))
        )
        else None
    )


def _is_amount_minor(value: object) -> bool:
    # Its digits are counted first: a million of them take minutes to become an int.
    return isinstance(value, Number) and bool(_MINOR.fullmatch(value)) and int(value) <= LARGEST_AMOUNT_MINOR


def _content_type_problem(event: Fields) -> Reject | None:
    found = event.get("datacontenttype", "application/json")
    if found != "application/json":
        return Reject(Reason.INVALID_FIELD, f"datacontenttype is {show(found)} instead of 'application/json'")
    return None


def _time_problem(event: Fields) -> Reject | None:
    try:
        msgspec.convert(event["time"], Annotated[datetime, Meta(tz=True)])
    except (msgspec.ValidationError, ValueError):
        return Reject(Reason.INVALID_TIME, f"time is {show(event['time'])}")
    return None

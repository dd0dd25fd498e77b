"""Which records can be booked: the checks of CREDITS.md in their order, over the standard library's JSON.

A check that fails raises Rejected with the reason that a dead letter must carry.
"""

import json
import re
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from schemas.command import LARGEST_GRANT_CREDITS
from schemas.dead_letter import Reason
from schemas.payment import LARGEST_AMOUNT_MINOR
from schemas.usage import LARGEST_QUANTITY, LONGEST_NAME, Channel
from tests.simulation.oracle_numbers import instant_us, java_partition, micros
from tests.simulation.oracle_records import OracleSettings, RawRecord

Object = dict[str, object]
_CURRENCY = re.compile(r"[A-Z]{3}")
_CHANNELS = frozenset(Channel)
_WHOLE = re.compile(r"-0|[0-9]{1,16}")


class Rejected(Exception):  # noqa: N818 - it is an answer, not an error of the oracle
    """A record that is not booked, and why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Number:
    """A JSON number as it was written: no float comes near it."""

    text: str


class _Document(dict[str, object]):
    """A JSON object that knows how many pairs it was written with."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.pairs = len(pairs)


class Usage(NamedTuple):
    """A usage event that can be read."""

    account: str
    source: str
    id: str
    occurred_at_us: int
    agent: str
    conversation: str
    channel: str
    node: str
    quantity_micros: int


class Gift(NamedTuple):
    """A command that can be read, a grant or a top-up with its payment; `content` is what is compared."""

    account: str
    source: str
    id: str
    time_us: int
    grant: str
    amount: int
    payment_reference: str | None
    content: tuple[object, ...]


def read_usage(record: RawRecord, settings: OracleSettings) -> Usage:
    """A record of usage.events up to its key's check; its time is not yet compared with the clock."""
    envelope = _envelope(record, "creditstream.usage", settings)
    data = _object(envelope, "data")
    _present(envelope, ["id", "source", "subject", "time"], data, ["agent", "conversation", "channel", "node"])
    if data is None:
        raise Rejected(Reason.INVALID_FIELD)
    event_id, source, subject = (_name(envelope, field) for field in ("id", "source", "subject"))
    time = _text(envelope, "time")
    agent, conversation, channel, node = (_name(data, field) for field in ("agent", "conversation", "channel", "node"))
    _content_type(envelope)
    if channel not in _CHANNELS:
        raise Rejected(Reason.UNKNOWN_CHANNEL)
    quantity = _amount(data.get("quantity", Number("1")), LARGEST_QUANTITY, Reason.INVALID_QUANTITY)
    occurred_at_us = _time(time)
    _key(record, subject, settings)
    return Usage(subject, source, event_id, occurred_at_us, agent, conversation, channel, node, quantity)


def read_command(record: RawRecord, settings: OracleSettings) -> Gift:
    """A record of credits.commands up to its key's check; its time is not yet compared with the clock.

    No name may come twice in it; in usage the last one counts.
    """
    envelope = _envelope(record, "creditstream.command", settings)
    data = _object(envelope, "data")
    _present(envelope, ["id", "source", "subject", "time"], data, [])
    if data is None:
        raise Rejected(Reason.INVALID_FIELD)
    command_id, source, subject = (_name(envelope, field) for field in ("id", "source", "subject"))
    time = _text(envelope, "time")
    _content_type(envelope)
    kind = data.get("kind")
    if kind not in ("grant", "top_up"):
        raise Rejected(Reason.INVALID_FIELD)
    _present(data, ["grant", "credits"], None, [])
    grant = _name(data, "grant")
    about, reference = _payment(data) if kind == "top_up" else _reason(data)
    amount = _amount(data["credits"], LARGEST_GRANT_CREDITS, Reason.INVALID_AMOUNT)
    time_us = _time(time)
    _key(record, subject, settings)
    content = (kind, grant, amount, about)
    return Gift(subject, source, command_id, time_us, grant, amount, reference, content)


def _envelope(record: RawRecord, wanted_type: str, settings: OracleSettings) -> Object:
    value = record.value or b""
    if len(value) > settings.largest_event_bytes:
        raise Rejected(Reason.TOO_LARGE)
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected(Reason.NOT_UTF8) from None
    document = _parse(text)
    if wanted_type == "creditstream.command" and _says_something_twice(document):
        raise Rejected(Reason.INVALID_FIELD)
    if document.get("specversion") != "1.0":
        raise Rejected(Reason.WRONG_SPECVERSION)
    if document.get("type") != wanted_type:
        raise Rejected(Reason.WRONG_TYPE)
    return document


def _parse(text: str) -> Object:
    try:
        document = _decode(text)
        if "\\u" in text:
            # A lone surrogate escape parses, and then cannot be written as UTF-8.
            json.dumps(document, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError):
        raise Rejected(Reason.NOT_JSON) from None
    if not isinstance(document, dict):
        raise Rejected(Reason.NOT_JSON)
    return document


def _says_something_twice(command: Object) -> bool:
    data = command.get("data")
    payment = data.get("payment") if isinstance(data, dict) else None
    return any(isinstance(part, _Document) and part.pairs > len(part) for part in (command, data, payment))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=_no_constant, object_pairs_hook=_Document
).decode


def _present(outer: Object, outer_fields: list[str], inner: Object | None, inner_fields: list[str]) -> None:
    missing = [field for field in outer_fields if outer.get(field) in (None, "")]
    if inner is not None:
        missing += [field for field in inner_fields if inner.get(field) in (None, "")]
    if missing:
        raise Rejected(Reason.MISSING_FIELD)


def _object(outer: Object, field: str) -> Object | None:
    value = outer.get(field)
    if value in (None, ""):
        raise Rejected(Reason.MISSING_FIELD)
    return value if isinstance(value, dict) else None


def _text(outer: Object, field: str) -> str:
    value = outer[field]
    if not isinstance(value, str):
        raise Rejected(Reason.INVALID_FIELD)
    return value


def _name(outer: Object, field: str) -> str:
    value = _text(outer, field)
    if len(value) > LONGEST_NAME:
        raise Rejected(Reason.INVALID_FIELD)
    return value


def _content_type(envelope: Object) -> None:
    if envelope.get("datacontenttype", "application/json") != "application/json":
        raise Rejected(Reason.INVALID_FIELD)


def _amount(value: object, largest: int, reason: Reason) -> int:
    text = value.text if isinstance(value, Number) else value
    amount = micros(text, largest=largest) if isinstance(text, str) else None
    if amount is None:
        raise Rejected(reason)
    return amount


def _time(text: str) -> int:
    time_us = instant_us(text)
    if time_us is None:
        raise Rejected(Reason.INVALID_TIME)
    return time_us


def _key(record: RawRecord, subject: str, settings: OracleSettings) -> None:
    key = subject.encode()
    if record.key != key:
        raise Rejected(Reason.KEY_MISMATCH)
    if subject.startswith("\0"):
        raise Rejected(Reason.INVALID_FIELD)
    if java_partition(key, settings.partitions) != record.partition:
        raise Rejected(Reason.WRONG_PARTITION)


def _reason(data: Object) -> tuple[object, None]:
    reason = data.get("reason", "")
    if not isinstance(reason, str) or len(reason) > LONGEST_NAME:
        raise Rejected(Reason.INVALID_FIELD)
    return reason, None


def _payment(data: Object) -> tuple[object, str]:
    payment = _object(data, "payment")
    if payment is None:
        raise Rejected(Reason.INVALID_FIELD)
    _present(payment, ["reference", "amount_minor", "currency"], None, [])
    reference, currency, amount = (
        _name(payment, "reference"),
        _name(payment, "currency"),
        payment["amount_minor"],
    )
    whole = isinstance(amount, Number) and _WHOLE.fullmatch(amount.text)
    if not whole or int(whole[0]) > LARGEST_AMOUNT_MINOR or not _CURRENCY.fullmatch(currency):
        raise Rejected(Reason.INVALID_FIELD)
    return (reference, int(whole[0]), currency), reference

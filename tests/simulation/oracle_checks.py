"""Which records can be booked: the checks of CREDITS.md in their order, over the standard library's JSON.

A check that fails raises Rejected with the reason that a dead letter must carry.
"""

from typing import NamedTuple

from schemas.command import LARGEST_GRANT_CREDITS
from schemas.dead_letter import Reason
from schemas.usage import LARGEST_QUANTITY, LONGEST_NAME, Channel
from tests.simulation.oracle_commands import problems
from tests.simulation.oracle_json import Number, Object, Rejected, read_json, says_something_twice
from tests.simulation.oracle_numbers import instant_us, java_partition, micros
from tests.simulation.oracle_records import OracleSettings, RawRecord

_CHANNELS = frozenset(Channel)


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


class Told(NamedTuple):
    """A command of another kind that can be read."""

    account: str
    source: str
    id: str
    time_us: int
    kind: str


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


def read_command(record: RawRecord, settings: OracleSettings) -> Gift | Told:
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
    reason = next(problems(data), None)
    if reason is not None:
        raise Rejected(reason)
    time_us = _time(time)
    _key(record, subject, settings)
    told = Told(subject, source, command_id, time_us, str(data["kind"]))
    return _gift(told, data) if told.kind in ("grant", "top_up") else told


def _gift(told: Told, data: Object) -> Gift:
    grant, payment = str(data["grant"]), data.get("payment")
    amount = _amount(data["credits"], LARGEST_GRANT_CREDITS, Reason.INVALID_AMOUNT)
    times = [data.get(name) and _time(str(data[name])) for name in ("effective_at", "expires_at")]
    about, reference = data.get("reason", ""), None
    if told.kind == "top_up" and isinstance(payment, dict):
        reference = str(payment["reference"])
        about = (reference, int(payment["amount_minor"].text), payment["currency"])
    content = (told.kind, grant, amount, about, data.get("priority"), *times)
    return Gift(told.account, told.source, told.id, told.time_us, grant, amount, reference, content)


def _envelope(record: RawRecord, wanted_type: str, settings: OracleSettings) -> Object:
    value = record.value or b""
    if len(value) > settings.largest_event_bytes:
        raise Rejected(Reason.TOO_LARGE)
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected(Reason.NOT_UTF8) from None
    document = read_json(text)
    if wanted_type == "creditstream.command" and says_something_twice(document):
        raise Rejected(Reason.INVALID_FIELD)
    if document.get("specversion") != "1.0":
        raise Rejected(Reason.WRONG_SPECVERSION)
    if document.get("type") != wanted_type:
        raise Rejected(Reason.WRONG_TYPE)
    return document


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

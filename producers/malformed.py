"""Every kind of bad input, made from a good record: each becomes a dead letter, one at a time, in turn."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from schemas.dead_letter import Reason
from schemas.partitioning import partition_of

Record = tuple[bytes | None, bytes, int | None]
"""Key, value, and the partition where it is not the key's own."""

_TOO_LARGE_BYTES = 2_000_000
_TOO_FAR = timedelta(days=40)
_AHEAD = timedelta(hours=2)


def malformed(kind: str, key: bytes, value: bytes, now: datetime, partitions: int) -> Record:
    """A record of that kind; those of KINDS with the reason for which it is rejected."""
    if kind == "wrong_partition":
        return key, value, (partition_of(key, partitions) + 1) % partitions
    if kind == "no_key":
        return None, value, None
    if kind == "other_key":
        return key + b"-other", value, None
    if kind in _BYTES:
        return key, _BYTES[kind](value), None
    event = json.loads(value)
    if kind in _TIMES:
        event["time"] = (now + _TIMES[kind]).isoformat()
    else:
        place, field, wrong = _FIELDS[kind]
        body = event["data"] if place == "data" else event
        if wrong is _ABSENT:
            del body[field]
        else:
            body[field] = wrong
    return key, json.dumps(event, separators=(",", ":")).encode(), None


_ABSENT = object()

_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "not_json": lambda value: value[:-20],
    "not_an_object": lambda value: b"[" + value + b"]",
    "not_utf8": lambda value: value.replace(b'"agent":"', b'"agent":"\xff\xfe'),
    "quantity_nan": lambda value: value.replace(b'"quantity":', b'"quantity":NaN,"was":'),
    "too_large": lambda value: value[:-1] + b',"padding":"' + b"x" * _TOO_LARGE_BYTES + b'"}',
}
_TIMES = {"too_far_ahead": _AHEAD, "too_old": -_TOO_FAR}
_FIELDS: dict[str, tuple[str, str, object]] = {
    "wrong_specversion": ("", "specversion", "0.3"),
    "wrong_type": ("", "type", "somebody.elses"),
    "missing_id": ("", "id", _ABSENT),
    "empty_source": ("", "source", ""),
    "missing_time": ("", "time", _ABSENT),
    "missing_data": ("", "data", _ABSENT),
    "missing_agent": ("data", "agent", _ABSENT),
    "empty_conversation": ("data", "conversation", ""),
    "null_node": ("data", "node", None),
    "agent_is_a_number": ("data", "agent", 7),
    "agent_too_long": ("data", "agent", "a" * 257),
    "unknown_channel": ("data", "channel", "carrier_pigeon"),
    "unknown_node": ("data", "node", "teleport"),
    "quantity_negative": ("data", "quantity", -3),
    "quantity_zero": ("data", "quantity", 0),
    "quantity_huge": ("data", "quantity", 10**13),
    "quantity_nan_text": ("data", "quantity", "NaN"),
    "quantity_too_fine": ("data", "quantity", "0.0000001"),
    "time_unparsable": ("", "time", "yesterday"),
    "time_without_zone": ("", "time", "2026-01-01T00:00:00"),
}

KINDS: dict[str, Reason] = {
    "not_json": Reason.NOT_JSON,
    "not_utf8": Reason.NOT_UTF8,
    "not_an_object": Reason.NOT_JSON,
    "empty": Reason.NOT_JSON,
    "wrong_specversion": Reason.WRONG_SPECVERSION,
    "wrong_type": Reason.WRONG_TYPE,
    "missing_id": Reason.MISSING_FIELD,
    "empty_source": Reason.MISSING_FIELD,
    "missing_time": Reason.MISSING_FIELD,
    "missing_data": Reason.MISSING_FIELD,
    "missing_agent": Reason.MISSING_FIELD,
    "empty_conversation": Reason.MISSING_FIELD,
    "null_node": Reason.MISSING_FIELD,
    "agent_is_a_number": Reason.INVALID_FIELD,
    "agent_too_long": Reason.INVALID_FIELD,
    "other_key": Reason.KEY_MISMATCH,
    "no_key": Reason.KEY_MISMATCH,
    "wrong_partition": Reason.WRONG_PARTITION,
    "unknown_channel": Reason.UNKNOWN_CHANNEL,
    "unknown_node": Reason.UNKNOWN_NODE,
    "quantity_negative": Reason.INVALID_QUANTITY,
    "quantity_zero": Reason.INVALID_QUANTITY,
    "quantity_huge": Reason.INVALID_QUANTITY,
    "quantity_nan": Reason.NOT_JSON,
    "quantity_nan_text": Reason.INVALID_QUANTITY,
    "quantity_too_fine": Reason.INVALID_QUANTITY,
    "time_unparsable": Reason.INVALID_TIME,
    "time_without_zone": Reason.INVALID_TIME,
    "too_far_ahead": Reason.TOO_FAR_AHEAD,
    "too_old": Reason.OLDER_THAN_DEDUP_WINDOW,
    "too_large": Reason.TOO_LARGE,
}
"""The kinds in the order in which a workload takes them; the same identity with other content is made by the
workload itself, from a record that it sent."""

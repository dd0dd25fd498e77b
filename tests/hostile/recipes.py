"""Hostile records too large to keep: their kind, what must become of them, and how they are made."""

import json
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from schemas.usage import LARGEST_EVENT_BYTES
from tests.ledger_rows import low_alert, notice
from tests.unit.booking_scene import CARD, JsonObject, grant, top_up, usage


class Recipe(NamedTuple):
    """How to make a record's value, at most 1 MiB of it unless its outcome says otherwise."""

    kind: str
    outcome: str
    name: str
    make: Callable[[], bytes]


def padded(event: JsonObject, size: int = LARGEST_EVENT_BYTES) -> bytes:
    """The event, with a field that is skipped and as long as it takes to have that size."""
    head = json.dumps(event).encode()[:-1] + b',"note":"'
    return head + b"n" * (size - len(head) - 2) + b'"}'


def _with(event: JsonObject, place: str, raw: str) -> bytes:
    """The event with that JSON at a place, such as `data.quantity`."""
    *path, name = place.split(".")
    part = event
    for step in path:
        part = part[step]
    part[name] = "@"
    return json.dumps(event).replace('"@"', raw).encode()


def _ending(event: JsonObject, raw: str) -> bytes:
    """The event with more members at its end."""
    return json.dumps(event)[:-1].encode() + b"," + raw.encode() + b"}"


def _plan() -> JsonObject:
    return grant(e_data={"kind": "activate_plan", "plan": {"plan": "p", "included_credits": "1"}, "overage": "keep"})


def _policy() -> JsonObject:
    return grant(e_data={"kind": "set_policy"})


def _unknown(raw: str) -> bytes:
    return _ending(usage(), f'"x":{raw}')


_DIGITS = "9" * 1_000_000
_DEEP = 100_000
_NILS = b"\xc0" * 1_048_575
_ESCAPES = r"\u0041" * 170_000
_NAMES = ",".join(f'"{number}":0' for number in range(80_000))
_OBJECTS = f"[{'{},' * 300_000}{{}}]"
_PRICE = '{"unit":"u","tiers":[{"credits_per_unit":"-1"}]}'

RECIPES = (
    Recipe("usage", "accepted", "a_mebibyte", lambda: padded(usage())),
    Recipe("usage", "too_large", "a_mebibyte_and_a_byte", lambda: padded(usage(), LARGEST_EVENT_BYTES + 1)),
    Recipe("usage", "invalid_quantity", "digits", lambda: _with(usage(), "data.quantity", _DIGITS)),
    Recipe("usage", "invalid_quantity", "digits_as_text", lambda: _with(usage(), "data.quantity", f'"{_DIGITS}"')),
    Recipe("usage", "invalid_quantity", "fraction", lambda: _with(usage(), "data.quantity", f"0.{_DIGITS}")),
    Recipe("usage", "invalid_quantity", "exponent", lambda: _with(usage(), "data.quantity", f"1e{_DIGITS}")),
    Recipe("usage", "invalid_quantity", "list", lambda: _with(usage(), "data.quantity", f"[{'0,' * 500_000}0]")),
    Recipe("usage", "accepted", "time_fraction", lambda: _with(usage(), "time", f'"2025-11-22T12:00:00.{_DIGITS}Z"')),
    Recipe("usage", "invalid_time", "time_of_digits", lambda: _with(usage(), "time", f'"{_DIGITS}"')),
    Recipe("usage", "invalid_time", "time_of_dots", lambda: _with(usage(), "time", f'"{".:" * 500_000}"')),
    Recipe("usage", "invalid_field", "name_of_escapes", lambda: _with(usage(), "data.node", f'"{_ESCAPES}"')),
    Recipe("usage", "invalid_field", "account", lambda: _with(usage(), "subject", f'"{_DIGITS}"')),
    Recipe("usage", "wrong_type", "type", lambda: _with(usage(), "type", f'"{_DIGITS}"')),
    Recipe("usage", "wrong_specversion", "names", lambda: b"{" + _NAMES.encode() + b"}"),
    Recipe("usage", "accepted", "unknown_names", lambda: _unknown("{" + _NAMES + "}")),
    Recipe("usage", "accepted", "unknown_number", lambda: _unknown(_DIGITS)),
    Recipe("usage", "wrong_type", "one_name_often", lambda: _ending(usage(), ",".join(['"type":0'] * 100_000))),
    Recipe("usage", "not_json", "unknown_deep_list", lambda: _unknown("[" * _DEEP + "]" * _DEEP)),
    Recipe("usage", "not_json", "unknown_deep_object", lambda: _unknown('{"a":' * _DEEP + "1" + "}" * _DEEP)),
    Recipe("usage", "not_json", "open_lists", lambda: b"[" * LARGEST_EVENT_BYTES),
    Recipe("usage", "not_json", "open_objects", lambda: b'{"a":' * (LARGEST_EVENT_BYTES // 5)),
    Recipe("usage", "not_json", "open_text", lambda: b'{"a":"' + b"\\\\" * 500_000),
    Recipe("usage", "not_json", "quotes", lambda: b'"' * LARGEST_EVENT_BYTES),
    Recipe("usage", "not_json", "white_space", lambda: b" " * LARGEST_EVENT_BYTES),
    Recipe("usage", "not_json", "zeros", lambda: bytes(LARGEST_EVENT_BYTES)),
    Recipe("usage", "not_json", "lone_surrogates", lambda: _unknown('"' + r"\ud800" * 150_000 + '"')),
    Recipe("usage", "not_utf8", "last_byte", lambda: padded(usage(), LARGEST_EVENT_BYTES - 1) + b"\xff"),
    Recipe("command", "accepted", "a_mebibyte", lambda: padded(top_up())),
    Recipe("command", "invalid_amount", "digits", lambda: _with(grant(), "data.credits", _DIGITS)),
    Recipe("command", "invalid_amount", "digits_as_text", lambda: _with(grant(), "data.credits", f'"{_DIGITS}"')),
    Recipe("command", "invalid_field", "amount_minor", lambda: _with(top_up(), "data.payment.amount_minor", _DIGITS)),
    Recipe("command", "invalid_field", "one_name_often", lambda: _ending(grant(), ",".join(['"id":"1"'] * 100_000))),
    Recipe("command", "not_json", "deep", lambda: _ending(grant(), f'"x":{"[" * _DEEP}')),
    Recipe("command", "invalid_field", "thresholds", lambda: _with(_policy(), "data.thresholds", _OBJECTS)),
    Recipe("command", "invalid_field", "priority", lambda: _with(grant(), "data.priority", _DIGITS)),
    Recipe("command", "invalid_field", "plan_of_escapes", lambda: _with(_plan(), "data.plan.plan", f'"{_ESCAPES}"')),
    Recipe("command", "invalid_amount", "included", lambda: _with(_plan(), "data.plan.included_credits", _DIGITS)),
    Recipe("command", "missing_field", "plan_of_names", lambda: _with(_plan(), "data.plan", "{" + _NAMES + "}")),
    Recipe("command", "accepted", "unknown_objects", lambda: _with(_plan(), "data.plan.x", _OBJECTS)),
    Recipe("rate-card", "accepted", "a_mebibyte", lambda: padded(json.loads(CARD))),
    Recipe("rate-card", "unreadable", "deep_where_skipped", lambda: _ending(json.loads(CARD), f'"x":{"[" * _DEEP}')),
    Recipe("rate-card", "unreadable", "field", lambda: CARD.replace("counts_as_message", _DIGITS).encode()),
    Recipe("rate-card", "unused", "price_of_digits", lambda: CARD.replace('"100000000"', f'"{_DIGITS}"').encode()),
    Recipe("rate-card", "unused", "node", lambda: CARD.replace('"gold"', f'"{_DIGITS}"').encode()),
    Recipe("rate-card", "unused", "problems", lambda: _card_of(9_000)),
    Recipe("rate-card", "unreadable", "nodes", lambda: _card_of(10_001)),
    Recipe("charges", "unreadable", "nested", lambda: b"\x91" * LARGEST_EVENT_BYTES),
    Recipe("charges", "unreadable", "charges_nested", lambda: b"\x95\x00\x01\x00\x00" + b"\x91" * LARGEST_EVENT_BYTES),
    Recipe("rollups", "unreadable", "rows_of_nothing", lambda: b"\x93\x00\x01\xdd\x00\x0f\xff\xff" + _NILS),
    Recipe("ledger", "unreadable", "lines", lambda: _entries(b"\n" * LARGEST_EVENT_BYTES)),
    Recipe("ledger", "unreadable", "amount", lambda: _entries(b'["a",1,"granted","' + _DIGITS.encode() + b'"]')),
    Recipe("ledger", "unreadable", "nested", lambda: _entries(b'["a",1,"granted",' + b"[" * _DEEP)),
    Recipe("alerts", "unreadable", "amount", lambda: _with(_alert(), "data.remaining_credits", f'"{_DIGITS}"')),
    Recipe("alerts", "unreadable", "exponent", lambda: _with(_alert(), "data.remaining_credits", f'"1e{_DIGITS[:9]}"')),
    Recipe("dead-letters", "unreadable", "nested", lambda: b'{"reason":' + b"[" * _DEEP),
)  # fmt: skip


def _card_of(nodes: int) -> bytes:
    prices = ",".join(f'"n{number}":{_PRICE}' for number in range(nodes))
    return ('{"version":"v","effective_at":"2025-06-01T00:00:00Z","prices":{' + prices + "}}").encode()


def _entries(lines: bytes) -> bytes:
    """A record of the ledger with a hash before each of its lines, as far as a record has room."""
    hashes = bytes(32) * (lines.count(b"\n") + 1)
    return msgspec.msgpack.encode([0, 1, 0, hashes[: LARGEST_EVENT_BYTES - len(lines)], lines])


def _alert() -> JsonObject:
    alert: JsonObject = json.loads(notice(low_alert(1)))
    return alert

"""What is wrong with an event that cannot be decoded, in the words that its dead letter will carry."""

import json

import pytest

from schemas.dead_letter import Reason
from stream.rules.command_envelope import diagnose_command
from stream.rules.usage_envelope import diagnose_usage
from tests.unit.booking_scene import JsonObject, usage

GOOD = json.dumps(usage()).encode()
LONG = "x" * 257


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (b"\xff" + GOOD, Reason.NOT_UTF8, "byte 0 is not UTF-8"),
        (b'{"id":"\xc0\x80"}', Reason.NOT_UTF8, "byte 7 is not UTF-8"),
        (b"\xef\xbb\xbf" + GOOD, Reason.NOT_JSON, "not a JSON object: Unexpected UTF-8 BOM"),
        (b"", Reason.NOT_JSON, "not a JSON object: Expecting value"),
        (GOOD[:-1], Reason.NOT_JSON, "not a JSON object: Expecting ',' delimiter"),
        (GOOD + b"{}", Reason.NOT_JSON, "not a JSON object: Extra data"),
        (b"[]", Reason.NOT_JSON, "not a JSON object: it is a list"),
        (b"null", Reason.NOT_JSON, "not a JSON object: it is null"),
        (b"7", Reason.NOT_JSON, "not a JSON object: it is a number"),
        (b'"x"', Reason.NOT_JSON, "not a JSON object: it is text"),
        (b'{"a":NaN}', Reason.NOT_JSON, "not a JSON object: NaN is no JSON"),
        (b'{"a":-Infinity}', Reason.NOT_JSON, "not a JSON object: -Infinity is no JSON"),
        (b'{"a":"\\ud800"}', Reason.NOT_JSON, "not a JSON object: a \\u escape is half of a surrogate pair"),
        (b'{"a":' + b"[" * 100_000, Reason.NOT_JSON, "not a JSON object: maximum recursion depth exceeded"),
    ],
)
def test_bytes_that_are_no_json_object_are_told_apart(value: bytes, reason: Reason, detail: str) -> None:
    """Each row is a value, the reason, and how the detail begins."""
    for found in (diagnose_usage(value), diagnose_command(value)):
        assert (found.reason, found.account) == (reason, "")
        assert found.detail.startswith(detail)


@pytest.mark.parametrize(
    ("event", "reason", "detail"),
    [
        (usage(e_specversion=...), Reason.WRONG_SPECVERSION, "specversion is None"),
        (usage(e_specversion="0.3", e_type="x"), Reason.WRONG_SPECVERSION, "specversion is '0.3'"),
        (usage(e_specversion=1.0), Reason.WRONG_SPECVERSION, "specversion is 1.0"),
        (usage(e_type=...), Reason.WRONG_TYPE, "type is None instead of 'creditstream.usage'"),
        (
            usage(e_type="creditstream.command", e_id=...),
            Reason.WRONG_TYPE,
            "type is 'creditstream.command' instead of 'creditstream.usage'",
        ),
        *(
            (usage(**{f"e_{name}": ...}), Reason.MISSING_FIELD, f"{name} is missing or empty")
            for name in ("id", "time")
        ),
        *(
            (usage(**{f"e_{name}": ""}), Reason.MISSING_FIELD, f"{name} is missing or empty")
            for name in ("source", "subject", "data")
        ),
        *(
            (usage(**{name: None}), Reason.MISSING_FIELD, f"{name} is missing or empty")
            for name in ("agent", "conversation", "channel", "node")
        ),
        (usage(e_type=[["x"]]), Reason.WRONG_TYPE, "type is a list instead of 'creditstream.usage'"),
        (usage(e_specversion={"x": 1}), Reason.WRONG_SPECVERSION, "specversion is an object"),
        (usage(e_data=[]), Reason.INVALID_FIELD, "data is a list, not an object"),
        (usage(e_data="x", e_id=...), Reason.MISSING_FIELD, "id is missing or empty"),
        (usage(e_id=5), Reason.INVALID_FIELD, "id is a number, not text"),
        (usage(e_time=1), Reason.INVALID_FIELD, "time is a number, not text"),
        (usage(agent=True), Reason.INVALID_FIELD, "agent is true or false, not text"),
        (usage(node={}), Reason.INVALID_FIELD, "node is an object, not text"),
        (usage(conversation=LONG), Reason.INVALID_FIELD, "conversation has 257 characters, more than 256"),
        (
            usage(e_datacontenttype="text/plain"),
            Reason.INVALID_FIELD,
            "datacontenttype is 'text/plain' instead of 'application/json'",
        ),
        (usage(channel="fax", quantity=0), Reason.UNKNOWN_CHANNEL, "channel is 'fax'"),
        (usage(quantity=None), Reason.INVALID_QUANTITY, "quantity is null"),
        (usage(quantity=True), Reason.INVALID_QUANTITY, "quantity is true or false"),
        (usage(quantity="x", e_time="x"), Reason.INVALID_QUANTITY, "'x' is not a decimal number"),
        (usage(e_time="2025-11-22T12:00:00"), Reason.INVALID_TIME, "time is '2025-11-22T12:00:00'"),
        (usage(e_time="2025-02-30T12:00:00Z"), Reason.INVALID_TIME, "time is '2025-02-30T12:00:00Z'"),
        (usage(), Reason.INVALID_FIELD, "the event does not match the published schema"),
    ],
)
def test_the_first_field_that_is_wrong_in_a_usage_event_is_named(
    event: JsonObject, reason: Reason, detail: str
) -> None:
    """Each row is an event, the reason and the whole detail."""
    found = diagnose_usage(json.dumps(event).encode())
    assert (found.reason, found.detail) == (reason, detail)
    assert found.account == event["subject"]


def test_a_name_that_comes_twice_is_told_when_nothing_else_is_wrong() -> None:
    """The decoder refused one of its values, and the last is right."""
    good = json.dumps(usage(e_time="soon"))
    found = diagnose_usage(f'{good[:-1]},"time":"2025-11-22T12:00:00Z"}}'.encode())
    assert (found.reason, found.detail, found.account) == (Reason.INVALID_FIELD, "'time' is there twice", "acme")


def test_what_was_sent_is_shown_cut_short() -> None:
    """A megabyte of type does not come back in the detail."""
    found = diagnose_usage(json.dumps(usage(e_type="t" * 1_000_000)).encode())
    assert found.detail == f"type is '{'t' * 59}… instead of 'creditstream.usage'"


@pytest.mark.parametrize(("subject", "account"), [("a" * 256, "a" * 256), ("a" * 257, ""), (5, ""), (["acme"], "")])
def test_only_a_subject_that_could_be_an_account_is_told_as_one(subject: object, account: str) -> None:
    """Each row is a subject and the account of the dead letter: a megabyte of subject would not fit into it."""
    assert diagnose_usage(json.dumps(usage(e_subject=subject, e_id="")).encode()).account == account

"""A command is read and checked up to its boundaries, and compared by what it means."""

import json

import pytest

from schemas.codec import encode_packed
from schemas.command import Grant, TopUp
from schemas.credits import parse_credits
from schemas.dead_letter import Reason
from schemas.usage import LARGEST_EVENT_BYTES
from stream.rules.carrying_out import once_keys
from stream.rules.commands import (
    ReceivedCommand,
    Remembered,
    check_command_time,
    content_of,
    decode_remembered,
    read_command,
)
from stream.rules.outcome import Reject
from tests.unit.booking_scene import DAY_MS, NOON, NOON_MS, JsonObject, grant, top_up

EVENT = {"source": "s", "id": "e", "partition": 0, "offset": 1}
PAYMENT = {"reference": "p1", "amount_minor": 900, "currency": "EUR"}


def read(command: JsonObject, key: bytes | None = b"acme") -> ReceivedCommand | Reject:
    """What is read of a command."""
    return read_command(json.dumps(command).encode(), key)


def of(kind: str, **data: object) -> JsonObject:
    """A command of another kind."""
    return grant(e_data={"kind": kind, **data})


def plan(**changes: object) -> JsonObject:
    """A good activation of a plan, with changes to the plan."""
    return of("activate_plan", plan={"plan": "team", "included_credits": "100", **changes}, overage="keep")


def reason_of(found: ReceivedCommand | Reject) -> Reason | None:
    """Why it was rejected, None if it was read."""
    return found.reason if isinstance(found, Reject) else None


def good(command: JsonObject) -> ReceivedCommand:
    """A command that must be readable."""
    found = read(command, command["subject"].encode())
    assert isinstance(found, ReceivedCommand)
    return found


@pytest.mark.parametrize(
    ("amount", "microcredits"),
    [
        ("0.000001", 1),
        (0.000001, 1),
        (5, 5_000_000),
        ("1000000000", 10**15),
        ("1e9", 10**15),
        ("100.50", 100_500_000),
        ("1000000000.000001", None),
        (10**9 + 1, None),
        ("0.0000001", None),
        ("0", None),
        (0, None),
        ("-5", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e999999999", None),
        ("9" * 10_000, None),
        ("a lot", None),
        (True, None),
        ([], None),
    ],
)
def test_credits_are_above_0_at_most_10_to_9_and_of_6_decimals(amount: object, microcredits: int | None) -> None:
    """Each row is an amount and its microcredits, None for one that is rejected; top-ups have the same bounds."""
    for command in (grant(credits=amount), top_up(credits=amount)):
        found = read(command)
        if microcredits is None:
            assert reason_of(found) == Reason.INVALID_AMOUNT
        else:
            assert isinstance(found, ReceivedCommand)
            assert isinstance(found.data, Grant | TopUp)
            assert parse_credits(found.data.credits) == microcredits


@pytest.mark.parametrize(
    ("event", "member", "name"),
    [
        (grant(), '"id":"1"', "id"),
        (grant(), '"subject":"acme"', "subject"),
        (grant(), '"credits":"100"', "credits"),
        (grant(), '"kind":"grant"', "kind"),
        (grant(), '"data":{}', "data"),
        (top_up(), '"reference":"p2"', "reference"),
        (grant(unknown=1), '"unknown":2', "unknown"),
        (grant(unknown=[{"a": {"b": 1}}]), '"b":1', "b"),
        (plan(rollover={"cap_credits": "5"}), '"cap_credits":"7"', "cap_credits"),
        (of("set_policy", thresholds=[{"percent": 20}]), '"percent":30', "percent"),
    ],
)
def test_a_command_in_which_a_name_comes_twice_is_refused(event: JsonObject, member: str, name: str) -> None:
    """Each row is a command, a member that is put before the one of its name, and the name; equal values too."""
    text = json.dumps(event)
    found = read_command(text.replace(f'"{name}":', f'{member}, "{name}":', 1).encode(), b"acme")
    assert found == Reject(Reason.INVALID_FIELD, f"'{name}' is there twice", "acme")


@pytest.mark.parametrize(
    ("field", "longest"),
    [("grant", "g" * 256), ("reason", "r" * 256), ("e_id", "i" * 256), ("e_source", "s" * 256)],
)
def test_a_name_has_at_most_256_characters(field: str, longest: str) -> None:
    """One more is rejected."""
    assert reason_of(read(grant(**{field: longest}))) is None
    assert reason_of(read(grant(**{field: longest + "x"}))) == Reason.INVALID_FIELD


@pytest.mark.parametrize(
    ("payment", "reason"),
    [
        (PAYMENT, None),
        ({**PAYMENT, "amount_minor": 0}, None),
        ({**PAYMENT, "amount_minor": 10**15}, None),
        ({**PAYMENT, "amount_minor": 10**15 + 1}, Reason.INVALID_FIELD),
        ({**PAYMENT, "unknown": 1}, None),
        ({**PAYMENT, "amount_minor": -1}, Reason.INVALID_FIELD),
        ({**PAYMENT, "amount_minor": 9.5}, Reason.INVALID_FIELD),
        ({**PAYMENT, "currency": "eur"}, Reason.INVALID_FIELD),
        ({**PAYMENT, "currency": "EURO"}, Reason.INVALID_FIELD),
        ({**PAYMENT, "currency": "EUR\n"}, Reason.INVALID_FIELD),
        ({**PAYMENT, "reference": ""}, Reason.MISSING_FIELD),
        ({"reference": "p1", "amount_minor": 1}, Reason.MISSING_FIELD),
    ],
)
def test_a_payment_has_a_reference_an_amount_and_a_currency(payment: JsonObject, reason: Reason | None) -> None:
    """Each row is a payment and why it is rejected, None if it is not."""
    assert reason_of(read(top_up(payment=payment))) == reason


def test_a_command_has_at_most_one_mebibyte() -> None:
    """Its size is judged before its content."""
    good_bytes = json.dumps(grant()).encode()
    assert reason_of(read_command(good_bytes + b" " * (LARGEST_EVENT_BYTES - len(good_bytes)), b"acme")) is None
    assert reason_of(read_command(b"x" * (LARGEST_EVENT_BYTES + 1), b"acme")) == Reason.TOO_LARGE


def test_a_command_without_value_or_with_another_key_is_rejected() -> None:
    """The key decides the partition, so it must be the account."""
    assert reason_of(read_command(None, b"acme")) == Reason.NOT_JSON
    assert read(grant(), None) == Reject(Reason.KEY_MISMATCH, "the key is absent, the subject 'acme'", "acme")
    assert reason_of(read(grant(), b"bolt")) == Reason.KEY_MISMATCH


def test_a_field_that_is_passed_over_must_be_utf8_too() -> None:
    """As in usage events."""
    value = json.dumps(grant()).encode()[:-1] + b',"note":"\xff"}'
    assert reason_of(read_command(value, b"acme")) == Reason.NOT_UTF8


@pytest.mark.parametrize(
    ("booked_at_ms", "reason"),
    [
        (NOON_MS, None),
        (NOON_MS - 300_000, None),
        (NOON_MS - 300_001, Reason.TOO_FAR_AHEAD),
        (NOON_MS + 90 * DAY_MS, None),
        (NOON_MS + 90 * DAY_MS + 1, Reason.COMMAND_TOO_OLD),
    ],
)
def test_a_command_may_be_90_days_old_and_five_minutes_ahead(booked_at_ms: int, reason: Reason | None) -> None:
    """Each row is the clock when a command said to be of noon arrives."""
    found = check_command_time(good(grant()), booked_at_ms)
    assert (found.reason if found else None) == reason
    assert found is None or found == Reject(found.reason, "its time is 2025-11-22T12:00:00+00:00", "acme")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (grant(), grant(e_time="2025-11-22T11:00:00Z", unknown=1), True),
        (grant(), grant(credits="100.000"), True),
        (grant(), grant(credits=1e2), True),
        (grant(), grant(reason=""), True),
        (grant(), grant(credits="100.000001"), False),
        (grant(), grant(grant="g2"), False),
        (grant(), grant(reason="sorry"), False),
        (grant(), grant(e_subject="bolt"), False),
        (grant(), top_up(), False),
        (top_up(), top_up(payment={**PAYMENT, "unknown": 1}), True),
        (top_up(), top_up(payment={**PAYMENT, "amount_minor": 901}), False),
        (top_up(), top_up(payment={**PAYMENT, "currency": "USD"}), False),
        (top_up(), top_up(payment={**PAYMENT, "reference": "p2"}), False),
        (grant(priority=20), grant(), False),
        (grant(expires_at=NOON), grant(expires_at="2025-11-22T13:00:00.000+01:00"), True),
        (grant(expires_at=NOON), grant(effective_at=NOON), False),
        (plan(), plan(included_credits=100, anchor_day=1, overage={}, currency=None, rollover=None), True),
        (plan(), plan(anchor_day=2), False),
        (plan(rollover={"cap_credits": "5"}), plan(rollover={"periods": 1, "cap_credits": "5.0"}), True),
        (plan(rollover={"cap_credits": "5"}), plan(rollover={"periods": 2, "cap_credits": "5"}), False),
        (of("cancel_plan", at="once"), of("cancel_plan", at="period_end"), False),
        (of("renew", period="2025-12-01"), of("renew", period="2025-12-02"), False),
        (of("void_grant", grant="g"), of("void_grant", grant="g", spent=None, reason=""), True),
        (of("void_grant", grant="g"), of("void_grant", grant="g", spent="owe"), False),
        (of("void_event", event=EVENT), of("void_event", event={**EVENT, "offset": 2}), False),
        (of("void_event", event=EVENT), of("reprice", event=EVENT, rate_card="v1"), False),
        (of("set_policy", thresholds=[]), of("set_policy", thresholds=[], refill=None), True),
        (of("set_policy", thresholds=[], mode="observe"), of("set_policy", mode="observe"), False),
        (of("set_policy", thresholds=[{"percent": 5}]), of("set_policy", thresholds=[{"credits": 5}]), False),
        (of("set_policy", refill="off"), of("set_policy", refill={"below_credits": 1, "credits": 1}), False),
        (of("refill_declined", request="r"), of("refill_declined", request="r", retry=True), True),
        (of("refill_declined", request="r"), of("refill_declined", request="r", retry=False), False),
    ],
)
def test_commands_are_the_same_if_type_subject_and_data_are(one: JsonObject, other: JsonObject, same: bool) -> None:
    """Each row is two commands and whether they say the same, however their JSON was written."""
    assert (content_of(good(one)) == content_of(good(other))) is same


@pytest.mark.parametrize(
    ("command", "reasons"),
    [
        (grant(), [Reason.GRANT_ID_REUSED]),
        (top_up(), [Reason.GRANT_ID_REUSED, Reason.PAYMENT_REUSED]),
        (of("adjust", adjustment="a", credits="-5", reason="r", actor="m"), [Reason.GRANT_ID_REUSED]),
        (of("refill_paid", request="r", payment=PAYMENT), [Reason.REFILL_ANSWERED, Reason.PAYMENT_REUSED]),
        (of("refill_declined", request="r"), []),
        (of("void_grant", grant="g1"), []),
        (of("void_event", event=EVENT), []),
        (plan(), []),
    ],
)
def test_a_command_uses_its_identity_and_its_names_once(command: JsonObject, reasons: list[Reason]) -> None:
    """The identity comes first, so that the same command again is known before its grant is found taken."""
    assert [reason for _, reason in once_keys(good(command))] == [Reason.COMMAND_ID_REUSED, *reasons]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (grant(e_source="a", e_id="b,c"), grant(e_source="a,b", e_id="c")),
        (grant(e_source='a","b', e_id="c"), grant(e_source="a", e_id='b","c')),
        (grant(e_subject="acme"), grant(e_subject="acm", e_source="e/s")),
    ],
)
def test_identities_that_read_alike_when_joined_are_different(one: JsonObject, other: JsonObject) -> None:
    """Each row is two commands whose names would be one text if they were only put together."""
    first, second = (once_keys(good(command))[0] for command in (one, other))
    assert first != second


def test_a_grant_may_be_named_like_a_payment() -> None:
    """What is used once is kept apart by what it is."""
    (_, (grant_key, _)), (*_, (payment_key, _)) = once_keys(good(grant(grant="p1"))), once_keys(good(top_up()))
    assert grant_key != payment_key


def test_what_is_remembered_reads_back_from_its_changelog_row() -> None:
    """Version included: it tells a take-over how far the table is."""
    row = Remembered(b"key", b"content", NOON_MS, 7)
    assert decode_remembered(encode_packed(row)) == row

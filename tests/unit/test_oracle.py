"""The oracle, by tables worked out by hand."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.dead_letter import Reason
from schemas.usage import LARGEST_EVENT_BYTES
from tests.simulation.oracle import Expected, OracleSettings, RawRecord, differences, expect
from tests.simulation.oracle_numbers import instant_us, java_partition, micros
from tests.simulation.oracle_prices import read_cards
from tests.simulation.oracle_records import Identity, Place, RollupKey, RollupTotals, TopicKind

NOON = "2025-11-22T12:00:00Z"
NOON_MS = 1_763_812_800_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CREDIT = 1_000_000
ONE_PARTITION = OracleSettings(partitions=1)
CARD = json.dumps(
    {
        "version": "v1",
        "effective_at": "2025-11-01T00:00:00Z",
        "prices": {
            "answer": {"unit": "message", "tiers": [{"credits_per_unit": "2"}], "counts_as_message": True},
            "search": {
                "unit": "call",
                "tiers": [
                    {"credits_per_unit": "1", "up_to": "10"},
                    {"credits_per_unit": "0.5", "up_to": "30"},
                    {"credits_per_unit": "0.1"},
                ],
            },
            "tokens": {
                "unit": "token",
                "tiers": [{"credits_per_unit": "0.0000005"}],
                "minimum_credits": "0.000001",
            },
            "gold": {"unit": "bar", "tiers": [{"credits_per_unit": "1000000000"}]},
        },
    }
)


def usage(**changes: Any) -> dict[str, Any]:
    """A good event; data's fields by their names, the envelope's with `e_` before; ... takes a field away."""
    data = {"agent": "ada", "conversation": "c1", "channel": "api", "node": "answer"}
    envelope = {
        "specversion": "1.0",
        "type": "creditstream.usage",
        "id": "1",
        "source": "/s",
        "subject": "acme",
    }
    return _changed({**envelope, "time": NOON, "data": data}, data, changes)


def grant(**changes: Any) -> dict[str, Any]:
    """A good grant of 100 credits, changed as `usage` is."""
    data = {"kind": "grant", "grant": "g1", "credits": "100"}
    envelope = {
        "specversion": "1.0",
        "type": "creditstream.command",
        "id": "1",
        "source": "/b",
        "subject": "acme",
    }
    return _changed({**envelope, "time": NOON, "data": data}, data, changes)


def top_up(**changes: Any) -> dict[str, Any]:
    """A good top-up of 100 credits, changed as `usage` is."""
    payment = {"reference": "p1", "amount_minor": 900, "currency": "EUR"}
    return grant(**{"kind": "top_up", "payment": payment, **changes})


def _changed(envelope: dict[str, Any], data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for name, value in changes.items():
        part, field = (envelope, name[2:]) if name.startswith("e_") else (data, name)
        if value is ...:
            part.pop(field, None)
        else:
            part[field] = value
    return envelope


def record(body: dict[str, Any] | bytes | None, at_ms: int = NOON_MS, offset: int = 0, **others: Any) -> RawRecord:
    """A record of usage.events, or of credits.commands if that is what its body is, keyed by its subject."""
    kind: TopicKind = "usage"
    key: bytes | None = b"acme"
    if isinstance(body, dict):
        kind = "commands" if body.get("type") == "creditstream.command" else "usage"
        key = str(body.get("subject")).encode()
        body = json.dumps(body).encode()
    made = RawRecord(kind, 0, offset, at_ms, key, body)
    return made._replace(**others)


def expected_of(*records: RawRecord, cards: tuple[str, ...] = (CARD,)) -> Expected:
    """What the oracle expects of these records in one partition."""
    return expect(records, cards, ONE_PARTITION)


def one_reason(made: RawRecord, cards: tuple[str, ...] = (CARD,)) -> str:
    """The reason of the one dead letter that comes of a record, or `booked`."""
    found = expected_of(made, cards=cards)
    if not found.dead_letters:
        assert found.balances
        return "booked"
    assert found.balances == {}
    (reason,) = found.dead_letters.values()
    return reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (usage(), "booked"),
        (usage(unknown=[1.5, None], e_traceparent="00-1"), "booked"),
        (usage(e_datacontenttype="application/json"), "booked"),
        (b" " * (LARGEST_EVENT_BYTES + 1), Reason.TOO_LARGE),
        (b"\xff", Reason.NOT_UTF8),
        (json.dumps(usage(agent="x")).encode().replace(b'"x"', b'"\xc3"'), Reason.NOT_UTF8),
        (b"", Reason.NOT_JSON),
        (None, Reason.NOT_JSON),
        (b"{", Reason.NOT_JSON),
        (b"[]", Reason.NOT_JSON),
        (b"[" * 100_000, Reason.NOT_JSON),
        (json.dumps(usage(quantity=float("nan"))).encode(), Reason.NOT_JSON),
        (json.dumps(usage(quantity=float("inf"))).encode(), Reason.NOT_JSON),
        (usage(agent="\ud800"), Reason.NOT_JSON),
        (usage(agent="\udc00\ud800"), Reason.NOT_JSON),
        (usage(agent="\U0001f600"), "booked"),
        (usage(e_specversion=...), Reason.WRONG_SPECVERSION),
        (usage(e_specversion="0.3"), Reason.WRONG_SPECVERSION),
        (usage(e_specversion=1.0), Reason.WRONG_SPECVERSION),
        (usage(e_type=..., e_id=...), Reason.WRONG_TYPE),
        (usage(e_type="creditstream.usage.v2"), Reason.WRONG_TYPE),
        *((usage(**{f"e_{name}": ...}), Reason.MISSING_FIELD) for name in ("id", "source", "subject", "time")),
        *((usage(**{f"e_{name}": ""}), Reason.MISSING_FIELD) for name in ("id", "source", "subject", "time")),
        *((usage(**{name: None}), Reason.MISSING_FIELD) for name in ("agent", "conversation", "channel", "node")),
        *((usage(**{name: ""}), Reason.MISSING_FIELD) for name in ("agent", "conversation", "channel", "node")),
        (usage(e_data=...), Reason.MISSING_FIELD),
        (usage(e_data=[]), Reason.INVALID_FIELD),
        (usage(agent=5, node=""), Reason.MISSING_FIELD),
        (usage(agent=5), Reason.INVALID_FIELD),
        (usage(agent="é" * 256), "booked"),
        (usage(agent="é" * 257), Reason.INVALID_FIELD),
        (usage(e_time=1), Reason.INVALID_FIELD),
        (usage(e_datacontenttype="text/plain"), Reason.INVALID_FIELD),
        (usage(channel="fax", quantity=0), Reason.UNKNOWN_CHANNEL),
        (usage(channel="API"), Reason.UNKNOWN_CHANNEL),
        (usage(quantity=0, e_time="soon"), Reason.INVALID_QUANTITY),
        (usage(quantity=None), Reason.INVALID_QUANTITY),
        (usage(quantity=True), Reason.INVALID_QUANTITY),
        (usage(quantity=-1), Reason.INVALID_QUANTITY),
        (usage(quantity="0.0000001"), Reason.INVALID_QUANTITY),
        (usage(quantity="1.0000001"), Reason.INVALID_QUANTITY),
        (usage(quantity="NaN"), Reason.INVALID_QUANTITY),
        (usage(quantity="1e999999999"), Reason.INVALID_QUANTITY),
        (usage(quantity="9" * 10_000), Reason.INVALID_QUANTITY),
        (usage(quantity=10**12 + 1), Reason.INVALID_QUANTITY),
        (usage(quantity=10**12, node="tokens"), "booked"),
        (usage(quantity=0.25), "booked"),
        (usage(e_time="2025-11-22T12:00:00"), Reason.INVALID_TIME),
        (usage(e_time="2025-02-30T12:00:00Z"), Reason.INVALID_TIME),
        (usage(e_time="2025-11-22T12:05:00Z"), "booked"),
        (usage(e_time="2025-11-22T12:05:00.000001Z"), Reason.TOO_FAR_AHEAD),
        (usage(e_time="2025-11-21T12:05:00Z"), "booked"),
        (usage(e_time="2025-11-21T12:04:59.999999Z", node="?"), Reason.OLDER_THAN_DEDUP_WINDOW),
        (usage(node="?"), Reason.UNKNOWN_NODE),
        (usage(node="gold", quantity="0.1"), "booked"),
        (usage(node="gold", quantity="0.100001"), Reason.COST_TOO_LARGE),
        (usage(node="gold", quantity="0.001", e_time="2025-11-22T13:00:00+01:00"), "booked"),
    ],
)
def test_the_first_check_that_fails_names_the_reason(body: dict[str, Any] | bytes | None, reason: str) -> None:
    """Each row is a record of usage.events and what becomes of it."""
    assert one_reason(record(body)) == reason


def test_the_key_must_be_the_subject_in_the_partition_that_java_gives_it() -> None:
    """No key, another key, and the right key in the wrong partition are three dead letters of two reasons."""
    records = [record(usage(), key=None), record(usage(), key=b"Acme", offset=1)]
    assert set(expected_of(*records).dead_letters.values()) == {Reason.KEY_MISMATCH}
    settings = OracleSettings(partitions=2)
    right = java_partition(b"acme", 2)
    found = expect([record(usage(), partition=1 - right)], [CARD], settings)
    assert found.dead_letters == {Place("usage.events", 1 - right, 0): Reason.WRONG_PARTITION}
    assert expect([record(usage(), partition=right)], [CARD], settings).dead_letters == {}


def test_murmur2_gives_what_java_gives() -> None:
    """The hashes are those that Kafka's own UtilsTest states, asked for as one of 2³¹ - 1 partitions."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, signed in known.items():
        assert java_partition(key, (1 << 31) - 1) == (signed & 0x7FFFFFFF) % ((1 << 31) - 1)


def test_events_before_the_first_card_have_no_rate_card() -> None:
    """A card that takes effect later, or was withdrawn, or belongs to another line prices nothing."""
    later = CARD.replace("2025-11-01", "2025-11-23")
    withdrawn = json.dumps({**json.loads(CARD), "withdrawn": True})
    other = json.dumps({**json.loads(CARD), "line": "vip"})
    for cards in ((), (later,), (withdrawn,), (other,)):
        assert one_reason(record(usage()), cards) == Reason.NO_RATE_CARD


def test_the_card_in_effect_when_the_event_occurred_prices_it() -> None:
    """At the second a card takes effect it prices; the charge names it."""
    second = json.dumps(
        {
            "version": "v2",
            "effective_at": NOON,
            "prices": {"answer": {"unit": "message", "tiers": [{"credits_per_unit": "3"}]}},
        }
    )
    before = record(usage(e_id="1", e_time="2025-11-22T11:59:59.999999Z"))
    found = expected_of(before, record(usage(e_id="2"), offset=1), cards=(second, CARD))
    facts = [found.charges[Identity("acme", "/s", event_id)] for event_id in ("1", "2")]
    assert [(fact.rate_card, fact.cost, fact.messages) for fact in facts] == [
        ("v1", 2000000, 1),
        ("v2", 3000000, 0),
    ]


def test_two_cards_of_one_moment_are_refused() -> None:
    """The oracle does not choose between two cards that take effect at once."""
    with pytest.raises(ValueError, match="same time"):
        read_cards([CARD, CARD.replace('"v1"', '"v2"')])


@pytest.mark.parametrize(
    ("node", "quantity", "cost_microcredits"),
    [
        ("answer", 1, 2_000_000),
        ("search", 10, 10_000_000),
        ("search", "10.000001", 10_000_000),  # 10 + half a microcredit: rounds to even
        ("search", "10.000003", 10_000_002),  # 10 + one and a half: rounds to even
        ("search", 30, 20_000_000),
        ("search", 35, 20_500_000),
        ("tokens", 1, 1),  # the minimum
        ("tokens", 3, 2),  # 1.5: half to even
        ("tokens", 5, 2),  # 2.5: half to even
        ("tokens", 7, 4),  # 3.5: half to even
    ],
)
def test_cost_is_graduated_and_rounded_once(node: str, quantity: int | str, cost_microcredits: int) -> None:
    """Each row is a node, a quantity and its cost."""
    found = expected_of(record(usage(node=node, quantity=quantity)))
    assert found.balances["acme"].charged == cost_microcredits


def test_usage_first_gets_the_free_grant_and_a_command_first_does_not() -> None:
    """A command that was appended in the same millisecond as the first event is booked before it."""
    usage_first = expected_of(record(usage()), record(grant(), at_ms=NOON_MS + 1))
    assert usage_first.balances["acme"][:5] == (600 * CREDIT, 2 * CREDIT, 1, 1, 2)
    at_a_tie = expected_of(record(usage()), record(grant()))
    assert at_a_tie.balances["acme"][:5] == (100 * CREDIT, 2 * CREDIT, 1, 1, 1)


def test_the_free_grant_takes_its_own_name() -> None:
    """A command cannot grant again what the first event brought."""
    again = grant(grant="free:acme")
    found = expected_of(record(usage()), record(again, at_ms=NOON_MS + 1))
    assert found.balances["acme"].granted == 500 * CREDIT
    assert list(found.dead_letters.values()) == [Reason.GRANT_ID_REUSED]


def test_a_rejected_event_opens_no_account() -> None:
    """An account whose first good record is a command gets no free grant, whatever was rejected before."""
    found = expected_of(record(usage(node="?")), record(grant(), at_ms=NOON_MS + 1))
    assert found.balances["acme"][:5] == (100 * CREDIT, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("second", "after_ms", "outcome"),
    [
        (usage(), 0, "dropped"),
        (usage(quantity="1.0"), 1, "dropped"),
        (usage(e_time="2025-11-22T13:00:00.000+01:00", unknown=1), 1, "dropped"),
        (usage(e_time="2025-11-22T12:00:00.000001Z"), 1, Reason.EVENT_ID_REUSED),
        (usage(quantity=2), 1, Reason.EVENT_ID_REUSED),
        (usage(conversation="c2"), 1, Reason.EVENT_ID_REUSED),
        (usage(e_source="/other"), 1, "booked"),
        (usage(e_id="2"), 1, "booked"),
        (usage(e_subject="other"), 1, "booked"),
        (usage(e_time="2025-11-23T12:00:00Z"), DAY_MS, Reason.EVENT_ID_REUSED),
        (usage(e_time="2025-11-23T12:00:00Z"), DAY_MS + 1, "booked"),
        (usage(), DAY_MS, Reason.OLDER_THAN_DEDUP_WINDOW),
    ],
)
def test_an_identity_is_remembered_for_the_window(second: dict[str, Any], after_ms: int, outcome: str) -> None:
    """Each row is what follows the event `usage()`, after how long, and what becomes of it."""
    found = expected_of(record(usage()), record(second, at_ms=NOON_MS + after_ms, offset=1))
    booked = sum(balance.events for balance in found.balances.values())
    seen = (booked, found.dropped_events, tuple(found.dead_letters.values()))
    wanted = {"booked": (2, 0, ()), "dropped": (1, 1, ())}
    assert seen == wanted.get(outcome, (1, 0, (outcome,)))


def test_a_rejected_event_is_not_remembered() -> None:
    """The corrected event may use the id again."""
    found = expected_of(record(usage(quantity=0)), record(usage(), offset=1))
    assert found.balances["acme"].events == 1
    assert list(found.dead_letters.values()) == [Reason.INVALID_QUANTITY]


def test_the_clock_of_a_partition_never_goes_back() -> None:
    """A broker whose clock steps back does not make old events acceptable."""
    old = usage(e_id="2", e_time="2025-11-21T12:00:00Z")
    back = record(old, at_ms=NOON_MS - HOUR_MS, offset=1)
    assert expected_of(record(usage()), back).dead_letters == {
        Place("usage.events", 0, 1): Reason.OLDER_THAN_DEDUP_WINDOW
    }
    assert expected_of(back).dead_letters == {}


def test_rollups_conversations_and_charges_of_a_short_story() -> None:
    """Three events over midnight: two hours, two days, one conversation each day."""
    stories = [
        usage(e_id="a", e_time="2025-11-21T23:59:59.999999Z", node="search", quantity="2.5", channel="widget"),
        usage(e_id="b", e_time="2025-11-22T00:00:00Z"),
        usage(e_id="c", e_time="2025-11-22T00:59:59Z", quantity=2),
    ]
    found = expected_of(*(record(story, offset=offset) for offset, story in enumerate(stories)))
    midnight = NOON_MS // HOUR_MS - 12
    assert found.rollups == {
        RollupKey("acme", midnight - 1, "widget", "ada", "search"): RollupTotals(1, 0, 2_500_000, 2_500_000),
        RollupKey("acme", midnight, "api", "ada", "answer"): RollupTotals(2, 2, 3_000_000, 6_000_000),
    }
    assert found.conversations == {
        ("acme", midnight // 24 - 1, "ada", "c1"),
        ("acme", midnight // 24, "ada", "c1"),
    }
    assert list(found.balances) == ["acme"]
    assert found.balances["acme"][:5] == (500 * CREDIT, 8_500_000, 3, 2, 1)
    charge = found.charges[Identity("acme", "/s", "b")]
    assert charge == (
        "ada",
        "c1",
        "api",
        "answer",
        CREDIT,
        2 * CREDIT,
        1,
        "v1",
        midnight * HOUR_MS * 1000,
        0,
        1,
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (grant(), "booked"),
        (top_up(), "booked"),
        (grant(credits=0.5, reason="sorry"), "booked"),
        (grant(e_type="creditstream.usage"), Reason.WRONG_TYPE),
        (grant(e_time=...), Reason.MISSING_FIELD),
        (grant(kind="gift"), Reason.INVALID_FIELD),
        (grant(grant=""), Reason.MISSING_FIELD),
        (grant(credits=...), Reason.MISSING_FIELD),
        (grant(reason=5), Reason.INVALID_FIELD),
        (grant(credits="0"), Reason.INVALID_AMOUNT),
        (grant(credits=True), Reason.INVALID_AMOUNT),
        (grant(credits="-5"), Reason.INVALID_AMOUNT),
        (grant(credits="1e-7"), Reason.INVALID_AMOUNT),
        (grant(credits="1e9"), "booked"),
        (grant(credits="1000000000.000001"), Reason.INVALID_AMOUNT),
        (top_up(payment=...), Reason.MISSING_FIELD),
        (top_up(payment=5), Reason.INVALID_FIELD),
        (top_up(payment={"reference": "p", "amount_minor": 1}), Reason.MISSING_FIELD),
        (top_up(payment={"reference": "p", "amount_minor": -1, "currency": "EUR"}), Reason.INVALID_FIELD),
        (top_up(payment={"reference": "p", "amount_minor": 1, "currency": "euro"}), Reason.INVALID_FIELD),
        (grant(e_time="2025-08-24T12:00:00Z"), "booked"),
        (grant(e_time="2025-08-24T11:59:59.999999Z"), Reason.COMMAND_TOO_OLD),
        (grant(e_time="2025-11-22T12:05:01Z"), Reason.TOO_FAR_AHEAD),
    ],
)
def test_commands_are_checked_like_events(body: dict[str, Any], reason: str) -> None:
    """Each row is a record of credits.commands and what becomes of it."""
    assert one_reason(record(body, topic_kind="commands")) == reason


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        (top_up(), "dropped"),
        (top_up(credits="100.0", e_time="2025-11-22T11:00:00Z"), "dropped"),
        (top_up(credits="101"), Reason.COMMAND_ID_REUSED),
        (grant(), Reason.COMMAND_ID_REUSED),
        (grant(e_id="2"), Reason.GRANT_ID_REUSED),
        (top_up(e_id="2"), Reason.GRANT_ID_REUSED),
        (top_up(e_id="2", grant="g2"), Reason.PAYMENT_REUSED),
        (top_up(e_id="2", e_subject="other"), "booked"),
        (grant(e_source="/other", grant="g2"), "booked"),
    ],
)
def test_a_command_is_booked_once(second: dict[str, Any], outcome: str) -> None:
    """Each row is what follows the top-up `top_up()`, and what becomes of it."""
    found = expected_of(record(top_up()), record(second, offset=1))
    granted = sum(balance.granted for balance in found.balances.values()) // CREDIT
    seen = (granted, found.dropped_commands, tuple(found.dead_letters.values()))
    wanted = {"booked": (200, 0, ()), "dropped": (100, 1, ())}
    assert seen == wanted.get(outcome, (100, 0, (outcome,)))


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        (NOON, NOON_MS * 1000),
        ("2025-11-22t12:00:00z", NOON_MS * 1000),
        ("2025-11-22 14:30:00.5+02:30", NOON_MS * 1000 + 500_000),
        ("2025-11-22T12:00:00.0000005Z", NOON_MS * 1000 + 1),
        ("2025-11-22T12:00:00.9999999Z", NOON_MS * 1000 + 1_000_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000_000),
        ("2024-02-29T00:00:00-00:00", 1_709_164_800_000_000),
        ("2025-02-29T00:00:00Z", None),
        ("2025-11-22T24:00:00Z", None),
        ("2025-11-22T12:00:60Z", None),
        ("2025-11-22T12:00Z", None),
        ("2025-11-22T12:00:00.Z", None),
        ("2025-11-22T12:00:00+24:00", None),
        (f"{NOON} ", None),
        ("٢٠٢٥-11-22T12:00:00Z", None),
    ],
)
def test_times_are_rfc_3339_with_a_zone(text: str, expected_us: int | None) -> None:
    """Each row is a text and its instant, or None."""
    assert instant_us(text) == expected_us


@pytest.mark.parametrize(
    ("text", "expected_micros"),
    [
        ("1", 1_000_000),
        ("0.000001", 1),
        ("1.50", 1_500_000),
        ("1e-6", 1),
        ("25e1", 250_000_000),
        ("1." + "0" * 59, 1_000_000),
        ("1." + "0" * 60, None),
        ("0", None),
        ("-0.0", None),
        ("1e-7", None),
        ("1e400000", None),
        ("1e-400000", None),
        ("Infinity", None),
        ("sNaN", None),
        ("", None),
        ("1,5", None),
    ],
)
def test_amounts_are_positive_decimals_of_six_places(text: str, expected_micros: int | None) -> None:
    """Each row is a text and its millionths, or None."""
    assert micros(text, largest=1000) == expected_micros


def test_partitions_share_nothing() -> None:
    """The same identity in two partitions is two accounts' business, and each partition has its own clock."""
    accounts = [f"account-{number}" for number in range(20)]
    settings = OracleSettings(partitions=4)
    records = [
        record(usage(e_subject=account), offset=offset, partition=java_partition(account.encode(), 4))
        for offset, account in enumerate(accounts)
    ]
    found = expect(records, [CARD], settings)
    assert sorted(found.balances) == sorted(accounts)
    assert len(found.charges) == 20
    assert found.dead_letters == {}


def _without_balance(figures: Expected) -> None:
    del figures.balances["acme"]


def _with_other_charge(figures: Expected) -> None:
    identity = Identity("acme", "/s", "1")
    figures.charges[identity] = figures.charges[identity]._replace(cost=3, offset=7)


def _with_dead_letter(figures: Expected) -> None:
    figures.dead_letters[Place("usage.events", 0, 9)] = "not_json"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (_without_balance, "balances: 'acme' is missing; expected (granted=500000000, charged=2000000, "),
        (_with_other_charge, "cost is 3; expected 2000000, offset is 7; expected 0"),
        (_with_dead_letter, "offset=9) is unexpected; it shows 'not_json'"),
    ],
)
def test_a_difference_names_the_row_and_both_values(change: Callable[[Expected], None], line: str) -> None:
    """Each row is a change to the figures, and what the line about it says."""
    actual = expected_of(record(usage()))
    assert differences(expected_of(record(usage())), actual) == []
    change(actual)
    (found,) = differences(expected_of(record(usage())), actual)
    assert line in found


def test_a_report_of_differences_is_bounded() -> None:
    """However much differs, each table has its limit and a line that counts the rest."""
    records = [record(usage(e_id=str(number)), offset=number) for number in range(50)]
    found = differences(expected_of(*records), Expected(), limit=3)
    assert [line for line in found if line.startswith("charges")][3:] == ["charges: 47 more rows differ"]

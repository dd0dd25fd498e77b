"""A partition's pipeline: for every reason the dead letter it makes, and what a booked event leaves behind."""

import json

import msgspec
import pytest

from schemas.charge import Charge
from schemas.dead_letter import DeadLetter, Reason
from schemas.identifiers import Account, Agent, Conversation, EventId, Node, RateCardVersion
from schemas.ledger import Entry, entry_hash, first_hash
from schemas.rollup import Rollup
from stream.rules.outcome import FIXES
from tests.unit.booked_figures import accounts_in, charges_in, dead_letters_in, entries_in, rollups_in
from tests.unit.booking_scene import (
    CARD,
    CREDIT,
    DAY_MS,
    HOUR_MS,
    INCARNATION,
    NOON_MS,
    TOPICS,
    JsonObject,
    Scene,
    command_record,
    grant,
    rate_cards,
    top_up,
    usage,
    usage_record,
)
from tests.unit.test_ledger_reasons import LEDGERS_OWN

GOOD = json.dumps(usage()).encode()
SINKS_OWN = {Reason.REFUSED_BY_CLICKHOUSE, Reason.UNDECODABLE}
OTHER_PAYMENT = {"reference": "p2", "amount_minor": 1, "currency": "EUR"}

USAGE_REJECTS: list[tuple[JsonObject | bytes | None, Reason, str, str]] = [
    (GOOD.replace(b"ada", b"\xff"), Reason.NOT_UTF8, "byte 150 is not UTF-8", ""),
    (GOOD[:-20], Reason.NOT_JSON, "not a JSON object: Expecting ',' delimiter", ""),
    (b"", Reason.NOT_JSON, "not a JSON object: Expecting value", ""),
    (None, Reason.NOT_JSON, "the record has no value", ""),
    (b" " * ((1 << 20) + 1), Reason.TOO_LARGE, "1048577 bytes, more than 1048576", ""),
    (usage(e_specversion="0.3"), Reason.WRONG_SPECVERSION, "specversion is '0.3'", "acme"),
    (usage(e_type="other"), Reason.WRONG_TYPE, "type is 'other' instead of 'creditstream.usage'", "acme"),
    (usage(e_subject=...), Reason.MISSING_FIELD, "subject is missing or empty", ""),
    (usage(agent=""), Reason.MISSING_FIELD, "agent is missing or empty", "acme"),
    (usage(agent=7), Reason.INVALID_FIELD, "agent is a number, not text", "acme"),
    (usage(channel="fax"), Reason.UNKNOWN_CHANNEL, "channel is 'fax'", "acme"),
    (usage(quantity=0), Reason.INVALID_QUANTITY, "quantity 0 is not above 0 and at most 10^12", "acme"),
    (usage(quantity="0.0000001"), Reason.INVALID_QUANTITY, "'1E-7' is outside what is counted", "acme"),
    (usage(e_time="yesterday"), Reason.INVALID_TIME, "time is 'yesterday'", "acme"),
    (usage(e_subject="bolt"), Reason.KEY_MISMATCH, "the key is b'acme', the subject 'bolt'", "bolt"),
    (usage(e_time="2025-11-22T12:06:00Z"), Reason.TOO_FAR_AHEAD, "it occurred 360 s after it was ingested", "acme"),
    (
        usage(e_time="2025-11-21T12:00:00Z"),
        Reason.OLDER_THAN_DEDUP_WINDOW,
        "it occurred 24.00 hours before it was ingested, more than 23.92",
        "acme",
    ),
    (usage(node="teleport"), Reason.UNKNOWN_NODE, "v1 has no price for 'teleport'", "acme"),
    (usage(node="gold", quantity=1001), Reason.COST_TOO_LARGE, "1001000000 micros of a bar cost", "acme"),
    (usage(e_id="0", quantity=2), Reason.EVENT_ID_REUSED, "/s used the id '0' for another event", "acme"),
]
COMMAND_REJECTS: list[tuple[JsonObject | bytes | None, Reason, str, str]] = [
    (GOOD, Reason.WRONG_TYPE, "type is 'creditstream.usage' instead of 'creditstream.command'", "acme"),
    (grant(kind="gift"), Reason.INVALID_FIELD, "kind is 'gift', not one of grant, top_up", "acme"),
    (grant(credits="0"), Reason.INVALID_AMOUNT, "credits is 0: give 0.000001 to 1000000000", "acme"),
    (grant(e_time="2025-01-01T00:00:00Z"), Reason.COMMAND_TOO_OLD, "its time is 2025-01-01T00:00:00", "acme"),
    (grant(e_time="2025-11-22T12:06:00Z"), Reason.TOO_FAR_AHEAD, "its time is 2025-11-22T12:06:00", "acme"),
    (top_up(e_id="0", credits="1"), Reason.COMMAND_ID_REUSED, "its source and id were used by a command", "acme"),
    (grant(grant="g0"), Reason.GRANT_ID_REUSED, "the account has a grant of this name", "acme"),
    (top_up(grant="g2"), Reason.PAYMENT_REUSED, "the payment bought credits before", "acme"),
]


def dead_letter_of(scene: Scene) -> DeadLetter:
    """The only one of the next checkpoint."""
    (letter,) = dead_letters_in(scene.checkpoint())
    return letter


@pytest.mark.parametrize(("value", "reason", "detail", "account"), USAGE_REJECTS)
def test_usage_that_is_not_booked_is_a_dead_letter_with_its_reason_and_fix(
    value: JsonObject | bytes | None, reason: Reason, detail: str, account: str
) -> None:
    """Each row is what follows an event with the id 0; nothing else comes of it."""
    scene = Scene()
    scene.book(usage_record(usage(e_id="0")))
    scene.checkpoint()
    assert scene.outcome_of(usage_record(value, NOON_MS, 1)) == reason
    letter = dead_letter_of(scene)
    assert letter.detail.startswith(detail)
    assert (letter.reason, letter.account, letter.fix) == (reason, account, FIXES[reason])
    assert (letter.topic, letter.partition, letter.offset) == (TOPICS.usage_events, 0, 1)
    assert (scene.account().events, list(scene.pipeline.ledger.books)) == (1, ["acme"])


@pytest.mark.parametrize(("value", "reason", "detail", "account"), COMMAND_REJECTS)
def test_a_command_that_is_not_carried_out_is_a_dead_letter_with_its_reason_and_fix(
    value: JsonObject | bytes | None, reason: Reason, detail: str, account: str
) -> None:
    """Each row is what follows a top-up of id 0, grant g0, payment p1."""
    scene = Scene()
    scene.book(command_record(top_up(e_id="0", grant="g0")))
    scene.checkpoint()
    assert scene.outcome_of(command_record(value, NOON_MS, 1)) == reason
    letter = dead_letter_of(scene)
    assert letter.detail.startswith(detail)
    assert (letter.reason, letter.account, letter.fix) == (reason, account, FIXES[reason])
    assert (letter.topic, letter.partition, letter.offset) == (TOPICS.commands, 0, 1)
    assert scene.account().grants == 1


def test_usage_before_the_first_rate_card_has_none() -> None:
    """It may be replayed once there is one."""
    scene = Scene([CARD.replace("2025-06-01", "2025-11-23")])
    assert scene.outcome_of(usage_record(usage())) == Reason.NO_RATE_CARD
    letter = dead_letter_of(scene)
    assert letter.detail == "no rate card is effective at 2025-11-22T12:00:00+00:00"
    assert letter.fix == FIXES[Reason.NO_RATE_CARD]


def test_usage_in_the_wrong_partition_is_rejected() -> None:
    """The producer's partitioner is at fault, and the fix says so."""
    scene = Scene(partitions=16)
    assert scene.outcome_of(usage_record(usage())) == Reason.WRONG_PARTITION
    assert "murmur2_random" in dead_letter_of(scene).fix


def test_every_reason_of_the_worker_has_a_row_above_and_a_fix() -> None:
    """Those of the sink and of the ledger have their own tests."""
    rows = {row[1] for row in USAGE_REJECTS + COMMAND_REJECTS}
    assert rows | {Reason.NO_RATE_CARD, Reason.WRONG_PARTITION} == set(Reason) - SINKS_OWN - LEDGERS_OWN
    assert set(FIXES) >= set(Reason) - SINKS_OWN


def test_a_booked_event_is_a_charge_a_rollup_an_entry_and_a_row() -> None:
    """Every field of each, in one checkpoint."""
    scene = Scene()
    occurred = usage(node="search", quantity="12.5", e_time="2025-11-22T10:59:59.5Z", channel="widget")
    scene.book(usage_record(occurred, NOON_MS, offset=41))
    version = INCARNATION << 32 | 1
    records = scene.checkpoint()
    occurred_us = (NOON_MS - HOUR_MS) * 1_000 - 500_000
    assert charges_in(records) == [
        Charge(
            Account("acme"),
            "/s",
            EventId("1"),
            Agent("ada"),
            Conversation("c1"),
            "widget",
            Node("search"),
            12_500_000,
            11_250_000,
            0,
            RateCardVersion("v1"),
            occurred_us,
            NOON_MS,
            41,
        )
    ]
    hour = NOON_MS // HOUR_MS - 2
    assert rollups_in(records) == [
        Rollup(
            Account("acme"),
            hour,
            "widget",
            Agent("ada"),
            Node("search"),
            version,
            1,
            0,
            12,
            500_000,
            11_250_000,
            version,
        )
    ]
    row = scene.account()
    assert (row.charged, row.events, row.messages) == (11_250_000, 1, 0)
    assert (row.updated_at_ms, row.version) == (NOON_MS, version)
    assert accounts_in(records) == {"acme": msgspec.structs.replace(row, first_lot=scene.lots()[0])}
    granted, burned = entries_in(records)
    assert (granted.kind, granted.lot, granted.lot_microcredits) == ("granted", "free:acme", 500 * CREDIT)
    assert burned == Entry(
        Account("acme"),
        2,
        "burned",
        -11_250_000,
        0,
        0,
        488_750_000,
        "free:acme",
        "event",
        "/s",
        "1",
        41,
        "v1",
        occurred_us,
        NOON_MS,
        burned.booked_at_ms,
        previous=entry_hash(granted),
    )
    assert (granted.previous, row.head) == (first_hash("acme"), entry_hash(burned))
    topics = {topic for topic, _, _ in records}
    assert topics == {TOPICS.charges, TOPICS.rollups, TOPICS.ledger, TOPICS.balances_changelog, TOPICS.dedup_log}


@pytest.mark.parametrize(
    ("when", "after_ms", "then"),
    [
        (usage(), 0, "duplicate"),
        (usage(quantity="1.0", unknown=1), 1, "duplicate"),
        (usage(e_time="2025-11-22T13:00:00.000+01:00"), 1, "duplicate"),
        (usage(e_time="2025-11-22T12:00:00.000001Z"), 1, Reason.EVENT_ID_REUSED),
        *((usage(**{name: "answer2"}), 1, Reason.EVENT_ID_REUSED) for name in ("agent", "conversation")),
        (usage(node="search"), 1, Reason.EVENT_ID_REUSED),
        (usage(channel="reports"), 1, Reason.EVENT_ID_REUSED),
        (usage(quantity=2), 1, Reason.EVENT_ID_REUSED),
        (usage(e_id="2"), 1, "booked"),
        (usage(e_source="/t"), 1, "booked"),
        (usage(e_time="2025-11-23T12:00:00Z"), DAY_MS, Reason.EVENT_ID_REUSED),
        (usage(e_time="2025-11-23T12:00:00Z"), DAY_MS + 1, "booked"),
    ],
)
def test_an_identity_is_booked_once_in_the_window(when: JsonObject, after_ms: int, then: str) -> None:
    """Each row is what follows the event `usage()`, after how long, and what becomes of it; in any batches."""
    records = usage_record(usage()), usage_record(when, NOON_MS + after_ms, 1)
    apart, together = Scene(), Scene()
    apart.book(records[0])
    apart.checkpoint()
    apart.take_over()
    assert apart.outcome_of(records[1]) == then
    together.book(*records)
    assert together.outcomes == apart.outcomes


def test_a_checkpoint_forgets_no_id_before_its_window_is_over() -> None:
    """At the very millisecond the copy of an event that was five minutes ahead is still known."""
    scene = Scene()
    ahead = usage(e_time="2025-11-22T12:05:00Z")
    later = usage(e_id="2", e_time="2025-11-23T11:00:00Z")
    scene.book(usage_record(ahead), usage_record(later, NOON_MS + DAY_MS - 1, 1))
    scene.checkpoint()
    assert scene.outcome_of(usage_record(ahead, NOON_MS + DAY_MS, 2)) == "duplicate"
    assert scene.outcome_of(usage_record(ahead, NOON_MS + DAY_MS + 1, 3)) == Reason.OLDER_THAN_DEDUP_WINDOW


def test_a_rejected_event_may_be_repaired_and_sent_again() -> None:
    """Its identity is remembered only once it is booked."""
    scene = Scene()
    assert scene.outcome_of(usage_record(usage(node="teleport"))) == Reason.UNKNOWN_NODE
    assert scene.outcome_of(usage_record(usage(), offset=1)) == "booked"


def test_another_account_may_use_the_same_source_and_id() -> None:
    """Identity is account, source and id."""
    scene = Scene()
    scene.book(usage_record(usage()))
    assert scene.outcome_of(usage_record(usage(e_subject="bolt"), NOON_MS, 1, b"bolt")) == "booked"


def test_the_card_that_was_effective_when_it_occurred_prices_an_event() -> None:
    """In any order of events, at the very microsecond; the charge names its card."""
    second = json.dumps(
        {**json.loads(CARD.replace('"2"', '"3"')), "version": "v2", "effective_at": "2025-11-22T12:00:00Z"}
    )
    times = [
        "2025-11-22T12:00:00Z",
        "2025-11-22T11:59:59.999999Z",
        "2025-11-22T12:00:00.000001Z",
        "2025-11-22T09:00:00Z",
    ]
    scene = Scene([CARD, second])
    scene.book(*(usage_record(usage(e_id=time, e_time=time), NOON_MS, offset) for offset, time in enumerate(times)))
    charges = charges_in(scene.checkpoint())
    assert [(each.rate_card, each.cost_microcredits) for each in charges] == [
        ("v2", 3 * CREDIT),
        ("v1", 2 * CREDIT),
        ("v2", 3 * CREDIT),
        ("v1", 2 * CREDIT),
    ]


def test_a_new_card_is_adopted_between_batches() -> None:
    """What was booked keeps its price."""
    scene = Scene()
    scene.book(usage_record(usage(e_id="1")))
    scene.pipeline.adopt(rate_cards(CARD.replace('"2"', '"3"')))
    scene.book(usage_record(usage(e_id="2"), offset=1))
    assert [each.cost_microcredits for each in charges_in(scene.checkpoint())] == [2 * CREDIT, 3 * CREDIT]


def test_an_event_of_no_cost_is_a_charge_and_a_rollup() -> None:
    """The usage is shown although it takes nothing."""
    scene = Scene([CARD.replace('"2"', '"0"')])
    scene.book(usage_record(usage()))
    records = scene.checkpoint()
    assert [each.cost_microcredits for each in charges_in(records)] == [0]
    assert [(each.events, each.messages) for each in rollups_in(records)] == [(1, 1)]


def test_the_clock_of_a_partition_never_goes_back() -> None:
    """A broker whose clock steps back makes nothing acceptable that was not."""
    scene = Scene()
    scene.book(usage_record(usage()))
    old = usage(e_id="2", e_time="2025-11-21T12:00:00Z")
    assert scene.outcome_of(usage_record(old, NOON_MS - HOUR_MS, 1)) == Reason.OLDER_THAN_DEDUP_WINDOW
    assert scene.partition.clock_ms == NOON_MS
    assert dead_letter_of(scene).ingested_at_ms == NOON_MS


def test_late_events_are_rolled_up_into_their_own_hour() -> None:
    """Booked now, counted then."""
    scene = Scene()
    late = usage(e_id="2", e_time="2025-11-22T01:30:00Z")
    scene.book(usage_record(usage()), usage_record(late, NOON_MS, 1))
    hours = {each.hour: each.events for each in rollups_in(scene.checkpoint())}
    assert hours == {NOON_MS // HOUR_MS: 1, NOON_MS // HOUR_MS - 11: 1}


def test_rollups_stay_exact_when_their_rows_were_forgotten() -> None:
    """Segments of one key are written under different names, each absolute."""
    scene = Scene(most_rollups=1)
    for offset, agent in enumerate(["ada", "bob", "cy", "ada"]):
        scene.book(usage_record(usage(e_id=str(offset), agent=agent), NOON_MS, offset))
        scene.checkpoint()
    rows = [row for row in rollups_in(scene.written) if row.agent == "ada"]
    assert [(row.segment & 0xFFFF, row.events) for row in rows] == [(1, 1), (4, 1)]


@pytest.mark.parametrize(
    ("e_time", "outcome"),
    [
        ("2025-11-22T12:05:00Z", "booked"),
        ("2025-11-22T12:05:00.000001Z", Reason.TOO_FAR_AHEAD),
        ("2025-11-22T10:00:00Z", "booked"),
        ("2025-11-22T09:59:59.999999Z", Reason.OLDER_THAN_DEDUP_WINDOW),
    ],
)
def test_an_event_may_be_as_old_as_the_horizon_and_five_minutes_ahead(e_time: str, outcome: str) -> None:
    """Each row is when an event occurred that is ingested at noon, with a horizon of two hours."""
    scene = Scene(horizon_ms=2 * HOUR_MS)
    assert scene.outcome_of(usage_record(usage(e_time=e_time))) == outcome

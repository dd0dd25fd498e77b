"""Usage is charged to accounts: what opens one, what each charge takes and from where, what the clock does before."""

import json
from collections.abc import Sequence

import pytest
from confluent_kafka import Message

from schemas.credits import LARGEST_TOTAL_MICROCREDITS
from schemas.dead_letter import Reason
from schemas.notice_events import AlertData, RefillRequestData
from stream.engine.outbox import Record
from stream.engine.partition import Applied
from stream.pipeline import MOST_BEHIND_MS
from stream.rules.ledger.settle import refresh
from tests.unit.booked_figures import charges_in, dead_letters_in, entries_in, notices_in
from tests.unit.booking_scene import (
    CARD,
    CREDIT,
    HOUR_MS,
    NOON,
    NOON_MS,
    JsonObject,
    Scene,
    command_record,
    grant,
    usage,
    usage_record,
)
from tests.unit.ledger_words import entry_name
from tests.unit.test_carrying_out import PAYMENT, REFILL, activate, of

MINUTE_MS = 60_000


def test_usage_opens_an_account_with_500_free_credits_and_a_command_opens_one_with_none() -> None:
    """The free grant is counted among the grants, and is the first entry."""
    by_usage, by_command = Scene(), Scene()
    by_usage.book(usage_record(usage()))
    by_command.book(command_record(grant()))
    used, given = by_usage.account(), by_command.account()
    assert (used.granted, used.grants) == (500 * CREDIT, 1)
    assert (given.granted, given.grants) == (100 * CREDIT, 1)
    assert used.opened_at_ms == given.opened_at_ms == NOON_MS
    assert [(each.kind, each.lot) for each in entries_in(by_usage.checkpoint())] == [
        ("granted", "free:acme"),
        ("burned", "free:acme"),
    ]
    assert [(each.kind, each.lot) for each in entries_in(by_command.checkpoint())] == [("granted", "g1")]


def test_charges_and_grants_only_ever_add() -> None:
    """Remaining is what was granted less what was charged; an event of no cost counts, and has no entry."""
    scene = Scene([CARD.replace('"gold": {', '"free": {"unit": "u", "tiers": [{"credits_per_unit": "0"}]}, "gold": {')])
    scene.book(command_record(grant(credits="10")))
    scene.book(usage_record(usage(quantity=15), NOON_MS + 1))
    scene.book(usage_record(usage(e_id="2", node="free"), NOON_MS + 2, 1))
    row = scene.account()
    assert (row.granted, row.charged, row.remaining) == (10 * CREDIT, 30 * CREDIT, -20 * CREDIT)
    assert (row.events, row.messages, row.grants) == (2, 1, 1)
    assert (row.opened_at_ms, row.updated_at_ms) == (NOON_MS, NOON_MS + 2)
    assert [each.kind for each in entries_in(scene.checkpoint())] == ["granted", "burned", "owed"]


def test_usage_that_arrives_is_always_booked() -> None:
    """Free 500; charges 120, 380, 30: remaining 380, 0, -30; then a grant of 100: 70."""
    scene = Scene()
    remaining = []
    for offset, quantity in enumerate([60, 190, 15]):
        scene.book(usage_record(usage(e_id=str(offset), quantity=quantity), NOON_MS, offset))
        remaining.append(scene.account().remaining)
    scene.book(command_record(grant()))
    remaining.append(scene.account().remaining)
    assert remaining == [380 * CREDIT, 0, -30 * CREDIT, 70 * CREDIT]


def test_an_account_says_when_it_last_moved_by_the_partitions_clock() -> None:
    """By append times, which never go back; not by when the event occurred."""
    scene = Scene()
    scene.book(usage_record(usage(e_time="2025-11-22T10:00:00Z"), NOON_MS))
    scene.book(usage_record(usage(e_id="2"), NOON_MS - 5_000, 1))
    assert (scene.account().opened_at_ms, scene.account().updated_at_ms) == (NOON_MS, NOON_MS)


def test_an_account_is_charged_no_more_than_64_bits_hold() -> None:
    """4 trillion credits in all, exactly; what would be more is a dead letter, and the account goes on."""
    scene = Scene()
    scene.book(usage_record(usage()))
    row = scene.account()
    before, row.charged = row.charged, LARGEST_TOTAL_MICROCREDITS - 2 * CREDIT
    row.billed += row.charged - before
    refresh(scene.book_of())
    assert scene.outcome_of(usage_record(usage(e_id="2"), offset=1)) == "booked"
    assert scene.outcome_of(usage_record(usage(e_id="3"), offset=2)) == Reason.COST_TOO_LARGE
    assert scene.account().charged == LARGEST_TOTAL_MICROCREDITS < 2**63
    (letter,) = dead_letters_in(scene.checkpoint())
    assert letter.detail.startswith("with it the account would have used more than 4000000000000000000")


VIP = json.dumps(
    {
        "version": "vip1",
        "line": "vip",
        "effective_at": "2025-06-01T00:00:00Z",
        "prices": {"answer": {"unit": "message", "tiers": [{"credits_per_unit": "1"}]}},
    }
)
SOON = "2025-11-22T12:00:01Z"
SOON_MS = NOON_MS + 1_000
LATER = "2025-11-22T12:00:02Z"


def of_100(name: str, **terms: object) -> JsonObject:
    """A grant of 100 credits of that name."""
    return grant(**{"e_id": name, "grant": name, **terms})


def plan_of(**terms: object) -> JsonObject:
    """A plan that begins now and includes 100 credits a month."""
    return activate(**{"included_credits": "100", "anchor_day": 22, **terms})


@pytest.mark.parametrize(
    ("given", "charges", "entries"),
    [
        # In burn-down order.
        ([of_100("a"), of_100("b", priority=1)], [60], ["burned:b:-100", "burned:a:-20"]),
        ([of_100("a"), of_100("b", expires_at=LATER)], [60], ["burned:b:-100", "burned:a:-20"]),
        ([of_100("b", kind="top_up", payment=PAYMENT), of_100("a")], [60], ["burned:a:-100", "burned:b:-20"]),
        ([of_100("a"), plan_of()], [60], ["burned:team:22Nov:-100", "burned:a:-20"]),
        ([of_100("a", effective_at=LATER), of_100("b")], [60], ["burned:b:-100", "owed:20"]),
        # What no lot covers.
        ([of_100("a")], [50, 1], ["burned:a:-100", "owed:2"]),
        ([of_100("a")], [51, 1], ["burned:a:-100", "owed:2", "owed:2"]),
        ([plan_of(overage={"mode": "carried"})], [51, 1], ["burned:team:22Nov:-100", "owed:2", "owed:2"]),
        (
            [plan_of(overage={"mode": "billed", "price_minor": "2"}, currency="EUR")],
            [51, 1],
            ["burned:team:22Nov:-100", "billed:2", "billed:2"],
        ),
        (
            [plan_of(overage={"mode": "billed", "price_minor": "2", "limit_credits": "3"}, currency="EUR")],
            [51, 1, 1],
            ["burned:team:22Nov:-100", "billed:2", "billed:1", "owed:1", "owed:2"],
        ),
        # Free credits come once, and only to an account that usage opens.
        ([], [1, 2], ["granted:free:500", "burned:free:-2", "burned:free:-4"]),
        ([], [250, 1], ["granted:free:500", "burned:free:-500", "owed:2"]),
        ([], [251], ["granted:free:500", "burned:free:-500", "owed:2"]),
    ],
)
def test_a_charge_is_split_over_lots_in_burn_down_order(
    given: list[JsonObject], charges: list[int], entries: list[str]
) -> None:
    """Each row is commands, answers of 2 credits that are used after them, and the entries of those."""
    scene = Scene()
    scene.book(*(command_record(command, NOON_MS, offset) for offset, command in enumerate(given)))
    scene.checkpoint()
    scene.book(*(used(quantity, offset) for offset, quantity in enumerate(charges)))
    assert named(scene.checkpoint()) == entries
    assert scene.account().charged == sum(charges) * 2 * CREDIT


@pytest.mark.parametrize(
    ("at_ms", "occurred", "entries"),
    [
        (SOON_MS - 1, NOON, ["burned:short:-2"]),
        (SOON_MS, SOON, ["expired:short:-100", "burned:long:-2"]),
        (SOON_MS + 1, SOON, ["expired:short:-100", "burned:long:-2"]),
        # Late usage has of what the lot lost.
        (SOON_MS, NOON, ["expired:short:-100", "expiry_reversed:short:2", "burned:short:-2"]),
        (
            SOON_MS + 1,
            "2025-11-22T12:00:00.999999Z",
            ["expired:short:-100", "expiry_reversed:short:2", "burned:short:-2"],
        ),
    ],
)
def test_what_is_due_happens_before_the_record_that_comes_then(at_ms: int, occurred: str, entries: list[str]) -> None:
    """Each row is when an event is ingested and occurred, of an account with a lot that ends a second after noon."""
    given = [of_100("long"), of_100("short", expires_at=SOON)]
    event = usage_record(usage(e_id="late", e_time=occurred), at_ms, 1)
    other = usage_record(usage(e_id="o", e_subject="bolt"), NOON_MS, 0, b"bolt")
    apart, together, ticked = Scene(), Scene(), Scene()
    for scene in (apart, together, ticked):
        scene.book(*(command_record(command, NOON_MS, offset) for offset, command in enumerate(given)))
        scene.checkpoint()
    apart.book(other)
    apart.book(event)
    together.book(other, event)
    ticked.book(other)
    assert ticked.tick(at_ms) is (Applied.STALE if at_ms < SOON_MS else Applied.BOOKED)
    ticked.book(event)
    for scene in (apart, together, ticked):
        found = [each for each in entries_in(scene.checkpoint()) if each.account == "acme"]
        assert [entry_name(each) for each in found] == entries
        assert {each.ingested_at_ms for each in found if each.kind == "expired"} <= {SOON_MS}


def test_the_clock_alone_makes_lots_begin_and_end() -> None:
    """Traffic or not; nothing is due afterwards."""
    scene = Scene()
    scene.book(command_record(of_100("a", effective_at=SOON)), command_record(of_100("b", expires_at=LATER), offset=1))
    scene.checkpoint()
    told = []
    for second in range(1, 4):
        booked = scene.tick(NOON_MS + second * 1_000)
        told.append((booked is Applied.BOOKED, named(scene.checkpoint()), scene.account().remaining // CREDIT))
    assert told == [(True, ["lot_started:a:0"], 200), (True, ["expired:b:-100"], 100), (False, [], 100)]


def test_an_event_has_the_price_of_the_plans_line_at_its_time() -> None:
    """The plan in force when it occurred, however late it comes; an account without a plan has the usual line."""
    scene = Scene([CARD, VIP])
    occurred = {"before": "2025-11-22T12:00:00.999999Z", "with": SOON, "after": LATER, "ended": "2025-11-22T12:00:03Z"}
    scene.book(command_record(of_100("a")), command_record(plan_of(rate_card_line="vip"), SOON_MS, 1))
    scene.book(command_record(of("cancel_plan", "cancel", at="once"), SOON_MS + 2_000, 2))
    scene.book(
        *(
            usage_record(usage(e_id=name, e_time=time), SOON_MS + 3_000, offset)
            for offset, (name, time) in enumerate(occurred.items())
        ),
        usage_record(usage(e_subject="bolt", e_time=LATER), SOON_MS + 3_000, 9, b"bolt"),
    )
    charges = {each.id: (each.rate_card, each.cost_microcredits // CREDIT) for each in charges_in(scene.checkpoint())}
    assert charges == {
        "before": ("v1", 2),
        "with": ("vip1", 1),
        "after": ("vip1", 1),
        "ended": ("v1", 2),
        "1": ("v1", 2),
    }


def test_a_node_that_the_plans_line_has_not_is_a_dead_letter() -> None:
    """It may be replayed once it is priced there; so may a line without cards."""
    scene = Scene([CARD, VIP])
    scene.book(command_record(plan_of(rate_card_line="vip")))
    assert scene.outcome_of(usage_record(usage(node="search"))) == Reason.UNKNOWN_NODE
    lonely = Scene([CARD])
    lonely.book(command_record(plan_of(rate_card_line="vip")))
    assert lonely.outcome_of(usage_record(usage())) == Reason.NO_RATE_CARD


@pytest.mark.parametrize(("behind_ms", "is_behind"), [(MOST_BEHIND_MS, False), (MOST_BEHIND_MS + 1, True)])
def test_a_ledger_that_is_behind_says_so_and_asks_for_refills_once_it_caught_up(
    behind_ms: int, is_behind: bool
) -> None:
    """Each row is how far the worker's clock is ahead of the records, and whether that is too far."""
    scene = Scene()
    scene.stand_at(NOON_MS + behind_ms)
    scene.book(command_record(grant()), command_record(REFILL, NOON_MS, 1))
    scene.book(used(50, 0))
    first = notices_in(scene.checkpoint())
    assert [each.data.delayed for each in first if isinstance(each.data, AlertData)] == [is_behind, is_behind]
    assert [each.type for each in first].count("creditstream.refill_request") == int(not is_behind)
    scene.take_over()
    scene.stand_at(NOON_MS + 1)
    scene.book(usage_record(usage(e_subject="bolt"), NOON_MS, 1, b"bolt"))
    asked = [each.data for each in notices_in(scene.checkpoint())]
    assert [each.credits for each in asked if isinstance(each, RefillRequestData)] == ([100] if is_behind else [])


def test_what_was_due_while_behind_is_told_as_delayed() -> None:
    """Even when the record that comes next has caught up."""
    scene = Scene()
    scene.book(command_record(of_100("a", expires_at=SOON)))
    scene.checkpoint()
    scene.stand_at(SOON_MS + MOST_BEHIND_MS + 1)
    scene.book(usage_record(usage(e_subject="bolt"), SOON_MS, 0, b"bolt"))
    (alert, _) = notices_in(scene.checkpoint())
    assert isinstance(alert.data, AlertData)
    assert (alert.data.alert, alert.data.delayed) == ("threshold", True)


@pytest.mark.parametrize(
    ("first_ms", "later_ms", "asked_ms"),
    [
        (NOON_MS, NOON_MS + HOUR_MS, [0, 15 * MINUTE_MS, 45 * MINUTE_MS]),
        (NOON_MS, NOON_MS + 15 * MINUTE_MS, [0, 15 * MINUTE_MS]),
        (NOON_MS, NOON_MS + 15 * MINUTE_MS - 1, [0]),
    ],
)
def test_what_a_charge_makes_due_happens_before_a_later_record_of_its_batch(
    first_ms: int, later_ms: int, asked_ms: list[int]
) -> None:
    """Each row is when a charge asks for a refill, when the batch's next record comes, and when it was asked for."""
    scene = Scene()
    scene.book(command_record(grant()), command_record(REFILL, NOON_MS, 1))
    scene.book(
        usage_record(usage(quantity=50), first_ms),
        usage_record(usage(e_id="2"), later_ms, 1),
    )
    asked = [each for each in notices_in(scene.checkpoint()) if isinstance(each.data, RefillRequestData)]
    assert [round((each.time.timestamp()) * 1_000) - first_ms for each in asked] == asked_ms


def used(quantity: int, offset: int) -> Message:
    """An event of so many answers, of 2 credits each."""
    return usage_record(usage(e_id=f"e{offset}", quantity=quantity), NOON_MS, offset)


def named(records: Sequence[Record]) -> list[str]:
    """The entries, as `burned:LOT:-30`."""
    return [entry_name(each) for each in entries_in(records)]

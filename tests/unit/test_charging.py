"""Usage is charged to accounts: what opens one, what each charge takes and from where, what the clock does before."""

from schemas.credits import LARGEST_TOTAL_MICROCREDITS
from schemas.dead_letter import Reason
from stream.rules.ledger.settle import refresh
from tests.unit.booked_figures import dead_letters_in, entries_in
from tests.unit.booking_scene import (
    CARD,
    CREDIT,
    NOON_MS,
    Scene,
    command_record,
    grant,
    usage,
    usage_record,
)


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

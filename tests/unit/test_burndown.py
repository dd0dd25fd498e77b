"""An account's balance: what opens it, what raises it, what burns it down."""

from schemas.credits import FREE_GRANT_MICROCREDITS
from schemas.dead_letter import Reason
from schemas.identifiers import Account
from stream.rules import burndown
from tests.unit.booked_figures import dead_letters_in
from tests.unit.booking_scene import CREDIT, NOON_MS, Scene, command_record, grant, usage, usage_record

ACME = Account("acme")


def test_usage_opens_with_500_free_credits_and_a_command_with_none() -> None:
    """The free grant is counted among the grants."""
    by_usage, by_command = burndown.open_by_usage(ACME, NOON_MS), burndown.open_by_command(ACME, NOON_MS)
    assert (by_usage.granted_microcredits, by_usage.grants) == (FREE_GRANT_MICROCREDITS, 1) == (500 * CREDIT, 1)
    assert (by_command.granted_microcredits, by_command.grants) == (0, 0)
    assert by_usage.opened_at_ms == by_command.opened_at_ms == NOON_MS


def test_charges_and_grants_only_ever_add() -> None:
    """Remaining is what was granted less what was charged; nothing is taken back from either."""
    balance = burndown.open_by_usage(ACME, NOON_MS)
    burndown.burn(balance, 30 * CREDIT, 1, NOON_MS + 1)
    burndown.grant(balance, 10 * CREDIT)
    burndown.burn(balance, 0, 0, NOON_MS + 2)
    assert (balance.granted_microcredits, balance.charged_microcredits) == (510 * CREDIT, 30 * CREDIT)
    assert (balance.events, balance.messages, balance.grants) == (2, 1, 2)
    assert balance.remaining_microcredits == 480 * CREDIT
    assert (balance.opened_at_ms, balance.updated_at_ms) == (NOON_MS, NOON_MS + 2)


def test_usage_that_arrives_is_always_booked() -> None:
    """Free 500; charges 120, 380, 30: remaining 380, 0, -30; then a grant of 100: 70."""
    scene = Scene()
    remaining = []
    for offset, quantity in enumerate([60, 190, 15]):
        scene.book(usage_record(usage(e_id=str(offset), quantity=quantity), NOON_MS, offset))
        remaining.append(scene.balance().remaining_microcredits)
    scene.book(command_record(grant()))
    remaining.append(scene.balance().remaining_microcredits)
    assert remaining == [380 * CREDIT, 0, -30 * CREDIT, 70 * CREDIT]


def test_a_balance_says_when_it_last_moved_by_the_partitions_clock() -> None:
    """By append times, which never go back; not by when the event occurred."""
    scene = Scene()
    scene.book(usage_record(usage(e_time="2025-11-22T10:00:00Z"), NOON_MS))
    scene.book(usage_record(usage(e_id="2"), NOON_MS - 5_000, 1))
    assert (scene.balance().opened_at_ms, scene.balance().updated_at_ms) == (NOON_MS, NOON_MS)


def test_an_account_is_charged_no_more_than_64_bits_hold() -> None:
    """4 trillion credits in all, exactly; what would be more is a dead letter."""
    scene = Scene()
    scene.book(usage_record(usage()))
    scene.balance().charged_microcredits = burndown.LARGEST_TOTAL_MICROCREDITS - 2 * CREDIT
    assert scene.outcome_of(usage_record(usage(e_id="2"), offset=1)) == "booked"
    assert scene.outcome_of(usage_record(usage(e_id="3"), offset=2)) == Reason.COST_TOO_LARGE
    assert scene.balance().charged_microcredits == burndown.LARGEST_TOTAL_MICROCREDITS < 2**63
    (letter,) = dead_letters_in(scene.checkpoint())
    assert letter.detail.startswith("with it the account would have used more than 4000000000000000000")

"""Commands as records: given what was booked, when a command comes, then this row, these entries and notices."""

import pytest
from confluent_kafka import Message

from schemas.credits import LARGEST_TOTAL_MICROCREDITS
from schemas.dead_letter import Reason
from tests.unit.booked_figures import dead_letters_in
from tests.unit.booking_scene import (
    CREDIT,
    DAY_MS,
    NOON_MS,
    JsonObject,
    Scene,
    command_record,
    grant,
    top_up,
    usage,
    usage_record,
)

PAYMENT = {"reference": "p1", "amount_minor": 900, "currency": "EUR"}
OTHER_PAYMENT = {**PAYMENT, "reference": "p2"}
BOOKED, AGAIN = "command", "duplicate_command"


@pytest.mark.parametrize(
    ("given", "when", "then", "granted_credits"),
    [
        # the same again
        (grant(), grant(), AGAIN, 100),
        (grant(), grant(e_time="2025-11-22T11:59:00Z", credits="100.0"), AGAIN, 100),
        (top_up(), top_up(), AGAIN, 100),
        # one identity, other content
        (grant(), grant(credits="101"), Reason.COMMAND_ID_REUSED, 100),
        (grant(), grant(reason="sorry"), Reason.COMMAND_ID_REUSED, 100),
        (grant(), grant(grant="g2"), Reason.COMMAND_ID_REUSED, 100),
        (grant(), top_up(), Reason.COMMAND_ID_REUSED, 100),
        (top_up(), top_up(payment=OTHER_PAYMENT), Reason.COMMAND_ID_REUSED, 100),
        # one grant, another identity
        (grant(), grant(e_id="2"), Reason.GRANT_ID_REUSED, 100),
        (grant(), grant(e_source="/other"), Reason.GRANT_ID_REUSED, 100),
        (grant(), top_up(e_id="2"), Reason.GRANT_ID_REUSED, 100),
        (top_up(), grant(e_id="2"), Reason.GRANT_ID_REUSED, 100),
        # one payment, another grant
        (top_up(), top_up(e_id="2", grant="g2"), Reason.PAYMENT_REUSED, 100),
        # nothing shared
        (grant(), grant(e_id="2", grant="g2"), BOOKED, 200),
        (grant(), grant(e_source="/other", grant="g2"), BOOKED, 200),
        (top_up(), top_up(e_id="2", grant="g2", payment=OTHER_PAYMENT), BOOKED, 200),
        # the name of the free grant
        (grant(), grant(e_id="2", grant="free:acme"), Reason.GRANT_ID_REUSED, 100),
        (grant(), top_up(e_id="2", grant="free:acme", payment=OTHER_PAYMENT), Reason.GRANT_ID_REUSED, 100),
        (grant(), grant(e_id="2", grant="free:bolt"), BOOKED, 200),
        (usage(), grant(grant="free:acme"), Reason.GRANT_ID_REUSED, 500),
    ],
)
def test_a_command_is_carried_out_once(given: JsonObject, when: JsonObject, then: str, granted_credits: int) -> None:
    """Each row is a record, the command after it, what becomes of that, and what the account was granted."""
    scene = Scene()
    scene.book(usage_record(given) if given["type"] == "creditstream.usage" else command_record(given))
    assert scene.outcome_of(command_record(when, NOON_MS + 1, offset=1)) == then
    assert scene.account().granted == granted_credits * CREDIT


def test_other_accounts_may_use_the_same_names() -> None:
    """Identity, grant and payment are an account's own."""
    scene = Scene()
    scene.book(command_record(top_up()))
    assert scene.outcome_of(command_record(top_up(e_subject="bolt"), offset=1, key=b"bolt")) == BOOKED


def test_a_rejected_command_uses_nothing_up() -> None:
    """Corrected, it may be sent with the same names."""
    scene = Scene()
    assert scene.outcome_of(command_record(top_up(credits="0"))) == Reason.INVALID_AMOUNT
    assert scene.outcome_of(command_record(top_up(e_time="2025-01-01T00:00:00Z"), offset=1)) == Reason.COMMAND_TOO_OLD
    assert len(scene.pipeline.ledger.books) == 0
    assert scene.outcome_of(command_record(top_up(), offset=2)) == BOOKED


def test_what_was_carried_out_is_known_to_the_next_owner() -> None:
    """It is in the changelog of commands."""
    scene = Scene()
    scene.book(command_record(top_up()))
    scene.checkpoint()
    scene.take_over()
    assert scene.outcome_of(command_record(top_up(), NOON_MS + 1, 1)) == AGAIN
    assert scene.outcome_of(command_record(top_up(e_id="2"), NOON_MS + 1, 2)) == Reason.GRANT_ID_REUSED
    again = top_up(e_id="2", grant="g2")
    assert scene.outcome_of(command_record(again, NOON_MS + 1, 3)) == Reason.PAYMENT_REUSED


def test_commands_are_forgotten_when_no_retry_of_them_is_accepted() -> None:
    """After 90 days and 5 minutes identity and payment are free again; a grant's name is not while its lot is there."""
    scene = Scene()
    scene.book(command_record(top_up()))
    scene.checkpoint()
    last_ms = NOON_MS + 90 * DAY_MS + 5 * 60_000
    other = grant(e_id="2", grant="g2", e_time="2026-02-20T12:00:00Z")
    scene.book(command_record(other, last_ms, 1))
    scene.checkpoint()
    again = top_up(e_time="2026-02-20T12:00:00Z")
    assert scene.outcome_of(command_record(again, last_ms, 2)) == AGAIN
    scene.book(usage_record(b"", last_ms + 1))
    scene.checkpoint()
    scene.checkpoint()
    scene.take_over()
    _, _, commands = scene.pipeline.tables
    assert len(commands) == 2
    assert scene.outcome_of(command_record(again, last_ms + 1, 3)) == Reason.GRANT_ID_REUSED
    renamed = top_up(grant="g3", e_time="2026-02-20T12:00:00Z")
    assert scene.outcome_of(command_record(renamed, last_ms + 1, 4)) == BOOKED


def test_an_account_is_granted_no_more_than_64_bits_hold() -> None:
    """4 trillion credits in all, exactly; a command beyond that uses nothing up."""
    scene = Scene()
    scene.book(command_record(grant()))
    row = scene.account()
    before, row.granted = row.granted, LARGEST_TOTAL_MICROCREDITS - 10**15
    row.voided += row.granted - before
    largest, last = grant(e_id="2", grant="g2", credits="1e9"), grant(e_id="3", grant="g3", credits="0.000001")
    assert scene.outcome_of(command_record(largest, offset=1)) == BOOKED
    assert scene.outcome_of(command_record(last, offset=2)) == Reason.INVALID_AMOUNT
    assert scene.account().granted == LARGEST_TOTAL_MICROCREDITS < 2**63
    scene.account().granted -= 1
    scene.account().voided -= 1
    assert scene.outcome_of(command_record(last, offset=3)) == BOOKED


def test_a_retry_never_outlives_the_memory() -> None:
    """At its last acceptable moment a command is still known, the five minutes it may be ahead included."""
    scene = Scene()
    ahead = grant(e_time="2025-11-22T12:05:00Z")
    scene.book(command_record(ahead))
    last_ms = NOON_MS + 5 * 60_000 + 90 * DAY_MS
    assert scene.outcome_of(command_record(ahead, last_ms, 1)) == AGAIN
    assert scene.outcome_of(command_record(ahead, last_ms + 1, 2)) == Reason.COMMAND_TOO_OLD


FIRST_RECORDS: list[tuple[list[Message], int, int]] = [
    ([usage_record(usage())], 500, 1),
    ([usage_record(usage()), command_record(grant(), NOON_MS + 1)], 600, 2),
    ([command_record(grant()), usage_record(usage())], 100, 1),
    ([usage_record(usage(node="teleport")), command_record(grant(), NOON_MS + 1)], 100, 1),
    ([command_record(grant(credits="0")), usage_record(usage())], 500, 1),
    ([usage_record(usage()), usage_record(usage(e_id="2"), NOON_MS, 1)], 500, 1),
]


@pytest.mark.parametrize(("records", "granted_credits", "grants"), FIRST_RECORDS)
def test_usage_first_brings_the_free_grant_and_a_command_first_does_not(
    records: list[Message], granted_credits: int, grants: int
) -> None:
    """Each row is the account's first records, its credits and its grants; what is rejected opens nothing."""
    scene = Scene()
    scene.book(*records)
    row = scene.account()
    assert (row.granted, row.grants) == (granted_credits * CREDIT, grants)
    assert row.opened_at_ms == NOON_MS or row.events == 0


def test_the_free_grant_comes_once_ever() -> None:
    """The next owner finds the account open."""
    scene = Scene()
    scene.book(usage_record(usage()))
    scene.checkpoint()
    scene.take_over()
    scene.book(usage_record(usage(e_id="2"), NOON_MS + 1, 1))
    assert (scene.account().grants, scene.account().events) == (1, 2)


def test_a_command_in_the_wrong_partition_is_rejected_at_first_sight() -> None:
    """An account must not have two balances."""
    scene = Scene(partitions=16, partition=0)
    (record,) = [command_record(grant())]
    assert scene.outcome_of(record) == Reason.WRONG_PARTITION
    (letter,) = dead_letters_in(scene.checkpoint())
    assert letter.detail.startswith("it is in partition 0, its key belongs to ")

"""Commands as records: given what was booked, when a command comes, then this row, these entries and notices."""

from typing import get_args

import pytest
from confluent_kafka import Message
from msgspec import Struct

from schemas.command import CommandData
from schemas.credits import LARGEST_TOTAL_MICROCREDITS, format_credits
from schemas.dead_letter import Reason
from schemas.notice_events import AlertData, NoticeEvent, RefillRequestData
from stream.rules.ledger.refill import request_id
from tests.unit.booked_figures import accounts_in, dead_letters_in, entries_in, notices_in
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
from tests.unit.ledger_words import entry_name
from tests.unit.test_carrying_out import PLAN, REFILL, activate, adjust, of

PAYMENT = {"reference": "p1", "amount_minor": 900, "currency": "EUR"}
OTHER_PAYMENT = {**PAYMENT, "reference": "p2"}
BOOKED, AGAIN = "command", "duplicate_command"


def given_100(**changes: object) -> JsonObject:
    """The grant g1 of 100 credits, under an identity of its own."""
    return grant(**{"e_id": "given", **changes})


LESS, MORE = {**PLAN, "included_credits": "1"}, {**PLAN, "included_credits": "2000"}
ASKED = request_id("acme", 1)
BOUGHT = {"reference": "p1", "amount_minor": 900, "currency": "EUR"}
NOWHERE = {"source": "/s", "id": "e", "partition": 0, "offset": 999}
GRANTED, TEAM = "granted:g1:100", "granted:team:22Nov:1000"

KINDS: list[tuple[list[JsonObject], JsonObject, str, str, list[str], list[str]]] = [
    ([], grant(), BOOKED, "100", [GRANTED], []),
    ([], grant(credits="0.000001"), BOOKED, "0.000001", ["granted:g1:0.000001"], []),
    ([], grant(expires_at="2025-11-22T12:00:00Z"), Reason.INVALID_TERMS, "none", [], []),
    ([], top_up(), BOOKED, "100", [GRANTED], []),
    ([], top_up(effective_at="2025-12-01T00:00:00Z"), BOOKED, "0", [GRANTED], ["would_block"]),
    ([], top_up(grant="free:acme"), Reason.GRANT_ID_REUSED, "none", [], []),
    ([given_100()], of("void_grant", grant="g1", credits="30"), BOOKED, "70", ["voided:g1:-30"], []),
    (
        [given_100()],
        of("void_grant", grant="g1"),
        BOOKED,
        "0",
        ["voided:g1:-100"],
        ["threshold 0", "would_block"],
    ),
    ([given_100()], of("void_grant", grant="g2"), Reason.UNKNOWN_GRANT, "100", [], []),
    ([given_100()], of("void_event", event=NOWHERE), Reason.CHARGE_NOT_FOUND, "100", [], []),
    ([given_100()], of("reprice", event=NOWHERE, rate_card="v1"), Reason.CHARGE_NOT_FOUND, "100", [], []),
    ([], adjust("5"), BOOKED, "5", ["granted:a:5"], []),
    ([given_100()], adjust("-5.5"), BOOKED, "94.5", ["voided:g1:-5.5"], []),
    ([given_100()], adjust("-101"), Reason.EXCEEDS_AVAILABLE, "100", [], []),
    ([], activate(anchor_day=22), BOOKED, "1000", ["plan_activated:0", TEAM], []),
    ([activate()], activate() | {"id": "1"}, Reason.PLAN_ACTIVE, "300", [], []),
    (
        [activate(anchor_day=22)],
        of("change_plan", plan={**MORE, "anchor_day": 22}, at="once"),
        BOOKED,
        "2000",
        ["plan_changed:0", "voided:team:22Nov:-1000", "granted:team:22Nov:2000"],
        [],
    ),
    ([activate()], of("change_plan", plan=LESS, at="once"), Reason.ONLY_AT_PERIOD_END, "300", [], []),
    ([activate()], of("change_plan", plan=LESS, at="period_end"), BOOKED, "300", [], []),
    (
        [activate()],
        of("cancel_plan", at="once"),
        BOOKED,
        "0",
        ["voided:team:22Nov:-300", "plan_ended:0"],
        ["threshold 0", "would_block"],
    ),
    ([], of("cancel_plan", at="once"), Reason.NO_PLAN, "none", [], []),
    (
        [activate(renews="on_payment")],
        of("renew", period="2025-12-01"),
        BOOKED,
        "300",
        ["plan_renewed:0", "granted:team:1Dec:1000"],
        [],
    ),
    ([activate(renews="on_payment")], of("renew", period="2025-12-02"), Reason.UNKNOWN_PERIOD, "300", [], []),
    ([given_100()], of("set_policy", thresholds=[{"credits": "5"}]), BOOKED, "100", [], []),
    ([given_100()], of("set_policy", thresholds=[{"credits": "100"}]), BOOKED, "100", [], ["threshold 100 on_set"]),
    ([given_100()], REFILL, BOOKED, "100", [], []),
    ([], REFILL, BOOKED, "0", [], ["would_block", "refill 100"]),
    ([], of("set_policy", mode="enforce", overage="keep"), BOOKED, "0", [], ["blocked"]),
    ([], of("set_policy", mode="enforce"), Reason.MISSING_FIELD, "none", [], []),
    (
        [REFILL],
        of("refill_paid", request=ASKED, payment=BOUGHT),
        BOOKED,
        "100",
        ["granted:refill:100"],
        ["would_unblock"],
    ),
    ([REFILL], of("refill_paid", request="r", payment=BOUGHT), Reason.UNKNOWN_REFILL, "0", [], ["refill_unknown"]),
    ([REFILL], of("refill_declined", request=ASKED), BOOKED, "0", [], []),
    ([REFILL], of("refill_declined", request=ASKED, retry=False), BOOKED, "0", [], ["refill_suspended"]),
    ([REFILL], of("refill_declined", request="r"), Reason.UNKNOWN_REFILL, "0", [], ["refill_unknown"]),
]


@pytest.mark.parametrize(("given", "when", "then", "remaining", "entries", "notices"), KINDS)
def test_a_command_of_any_kind_is_booked_whole_or_a_dead_letter(
    given: list[JsonObject], when: JsonObject, then: str, remaining: str, entries: list[str], notices: list[str]
) -> None:
    """Each row is commands, the one after them, what becomes of it, what remains, its entries and what is told."""
    scene = Scene()
    scene.book(*(command_record(each, NOON_MS, offset) for offset, each in enumerate(given)))
    scene.checkpoint()
    assert scene.outcome_of(command_record(when, NOON_MS, 9)) == then
    records = scene.checkpoint()
    booked = entries_in(records)
    assert [entry_name(each) for each in booked] == entries
    assert {(each.cause, each.source, each.id, each.offset) for each in booked} <= {("command", "/s", when["id"], 9)}
    assert [told(each) for each in notices_in(records)] == notices
    assert [letter.reason for letter in dead_letters_in(records)] == ([] if then == BOOKED else [then])
    assert list(accounts_in(records)) == (["acme"] if then == BOOKED else [])
    book = scene.pipeline.ledger.book("acme")
    assert ("none" if book is None else format_credits(book.row.remaining)) == remaining


def test_every_kind_of_command_is_booked_above_or_refused() -> None:
    """Whoever adds one tells what becomes of it."""
    assert {when["data"]["kind"] for _, when, *_ in KINDS} == {tag_of(kind) for kind in get_args(CommandData)}


def tag_of(kind: type[Struct]) -> object:
    """What `kind` says on the wire."""
    return kind.__struct_config__.tag


def told(notice: NoticeEvent) -> str:
    """A notice in a few words: what alert, or how many credits are asked for."""
    data = notice.data
    if isinstance(data, AlertData):
        level = f" {format_credits(int(data.threshold))}" if data.threshold else ""
        return f"{data.alert}{level}{' on_set' if data.on_set else ''}"
    return f"refill {data.credits}" if isinstance(data, RefillRequestData) else "bill"


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
    _, _, commands, _ = scene.pipeline.tables
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

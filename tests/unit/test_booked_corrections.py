"""Events that were booked are voided and priced anew: once, wherever they are by then, and their rollups follow."""

import json
from collections.abc import Sequence

import pytest
from confluent_kafka import Message

from schemas.credits import format_credits
from schemas.dead_letter import Reason
from tests.unit.booked_figures import charges_in, dead_letters_in, entries_in, figures_in
from tests.unit.booking_scene import (
    CARD,
    CREDIT,
    DAY_MS,
    HOUR_MS,
    NOON_MS,
    TOPICS,
    JsonObject,
    Scene,
    command_record,
    top_up,
    usage,
    usage_record,
)
from tests.unit.ledger_words import entry_name
from tests.unit.test_carrying_out import activate, of

DEARER = json.dumps(
    {
        "version": "v2",
        "effective_at": "2026-06-01T00:00:00Z",
        "prices": {
            "answer": {"unit": "message", "tiers": [{"credits_per_unit": "3"}], "counts_as_message": True},
            "gold": {"unit": "bar", "tiers": [{"credits_per_unit": "1000000"}]},
        },
    }
)
CHEAPER = DEARER.replace('"v2"', '"v3"').replace("2026", "2027").replace('"3"', '"0.5"')
CARDS = (CARD, DEARER, CHEAPER)
WAYS = ("one batch", "one checkpoint", "checkpoints", "take-overs")


def void(id_: str = "void", *, credits_: str | None = None, **named: object) -> JsonObject:
    """The event is voided, or so much of it."""
    said = {} if credits_ is None else {"credits": credits_}
    return of("void_event", id_, event=event(**named), **said)


def reprice(card: str, id_: str = "reprice", **named: object) -> JsonObject:
    """The event is priced by another card."""
    return of("reprice", id_, event=event(**named), rate_card=card)


def event(**named: object) -> JsonObject:
    """The event that is booked at the offset 0, unless named otherwise."""
    return {"source": "/s", "id": "1", "partition": 0, "offset": 0, **named}


def told(scene: Scene, way: str, records: Sequence[Message]) -> list[str]:
    """Book records in one of the ways; what became of each command, as it was counted."""
    batches = [list(records)] if way == "one batch" else [[record] for record in records]
    for batch in batches:
        scene.book(*batch)
        if way in ("checkpoints", "take-overs"):
            scene.checkpoint()
        if way == "take-overs":
            scene.take_over()
    scene.checkpoint()
    kept = {outcome: count for outcome, count in scene.outcomes.items() if outcome != "booked"}
    return [outcome for outcome in sorted(kept) for _ in range(kept[outcome])]


def rolled_up(scene: Scene) -> tuple[int, str]:
    """Events and credits of all rollups."""
    rows = figures_in(scene.written).rollups.values()
    return sum(row.events for row in rows), format_credits(sum(row.cost for row in rows))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("used", "commands", "outcomes", "remaining", "costs"),
    [
        ({}, [void()], ["command"], "500", "0"),
        ({}, [void(credits_="0.5")], ["command"], "498.5", "1.5"),
        ({}, [void(credits_="2.000001")], [Reason.INVALID_AMOUNT], "498", "2"),
        ({}, [void("a"), void("b")], ["command", "duplicate_command"], "500", "0"),
        ({}, [void("a", credits_="1"), void("b")], ["command", "duplicate_command"], "499", "1"),
        ({}, [void(), void()], ["command", "duplicate_command"], "500", "0"),
        ({}, [reprice("v2")], ["command"], "497", "3"),
        ({}, [reprice("v3")], ["command"], "499.5", "0.5"),
        ({}, [reprice("v1")], ["command"], "498", "2"),
        ({}, [reprice("v2", "a"), reprice("v2", "b")], ["command", "duplicate_command"], "497", "3"),
        ({}, [reprice("v2", "a"), reprice("v3", "b")], ["command", "command"], "499.5", "0.5"),
        ({}, [reprice("v3", "a"), reprice("v2", "b"), void()], ["command"] * 3, "500", "0"),
        ({}, [void(), reprice("v2")], ["command", "duplicate_command"], "500", "0"),
        ({}, [reprice("v9")], [Reason.NO_RATE_CARD], "498", "2"),
        ({"node": "search"}, [reprice("v2")], [Reason.UNKNOWN_NODE], "499", "1"),
        ({"quantity": 300}, [void()], ["command"], "500", "0"),
        ({"quantity": 300}, [reprice("v2"), void(credits_="900")], ["command", "command"], "500", "0"),
        ({"quantity": 300}, [reprice("v3")], ["command"], "350", "150"),
        ({}, [void(id="2")], [Reason.CHARGE_NOT_FOUND], "498", "2"),
        ({}, [void(source="/t")], [Reason.CHARGE_NOT_FOUND], "498", "2"),
        ({}, [void(partition=1)], [Reason.CHARGE_NOT_FOUND], "498", "2"),
        ({}, [void(offset=1)], [Reason.CHARGE_NOT_FOUND], "498", "2"),
        ({}, [reprice("v2", offset=1)], [Reason.CHARGE_NOT_FOUND], "498", "2"),
    ],
)
def test_an_event_is_corrected_alike_wherever_it_is(
    way: str, used: JsonObject, commands: list[JsonObject], outcomes: list[str], remaining: str, costs: str
) -> None:
    """Each row: what was used, then commands, what becomes of them, what remains, and what the rollup says it costs."""
    scene = Scene(CARDS)
    records = [usage_record(usage(**used))]
    records += [command_record(each, NOON_MS + 1, offset) for offset, each in enumerate(commands)]
    assert told(scene, way, records) == sorted(outcomes)
    row = scene.account()
    assert (format_credits(row.remaining), format_credits(row.charged - row.refunded)) == (remaining, costs)
    assert rolled_up(scene) == (1, costs)
    assert scene.pipeline.drifted == 0


@pytest.mark.parametrize("way", WAYS)
def test_an_event_of_no_cost_can_be_priced_anew_and_then_voided(way: str) -> None:
    """It has no entries: its charge says that it was booked; before, there is nothing to void."""
    scene = Scene([CARD.replace('"2"', '"0"'), DEARER])
    commands = [void("a"), reprice("v2", "b"), void("c")]
    records = [usage_record(usage()), *(command_record(each, NOON_MS, at) for at, each in enumerate(commands))]
    assert told(scene, way, records) == [Reason.CHARGE_NOT_FOUND, "command", "command"]
    assert rolled_up(scene) == (1, "0")
    assert scene.account().refunded == 3 * CREDIT


@pytest.mark.parametrize("way", WAYS)
def test_a_refund_goes_back_to_the_lots_that_paid(way: str) -> None:
    """The worked example: on 1 Dec 100 come back to the top-up, 1000 to the plan's lot, which expires at once."""
    scene = Scene()
    first = [
        command_record(activate(anchor_day=22, included_credits="1000"), NOON_MS, 0),
        command_record(top_up(), NOON_MS, 1),
        usage_record(usage(quantity=550)),
    ]
    later_ms = NOON_MS + 31 * DAY_MS
    late = void(), {"time": "2025-12-23T12:00:00Z"}
    records = [*first, command_record(late[0] | late[1], later_ms, 2)]
    scene.stand_at(later_ms)
    assert told(scene, way, records) == ["command"] * 3
    entries = [entry_name(each) for each in entries_in(scene.written) if each.cause == "command" and each.offset == 2]
    assert entries == ["refunded:g1:100", "refunded:team:22Nov:1000", "expired:team:22Nov:-1000"]
    assert scene.account().remaining == 1_100 * CREDIT


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("after_ms", "outcome"), [(90 * DAY_MS, "command"), (90 * DAY_MS + 1, Reason.TOO_OLD_TO_VOID)])
def test_an_event_can_be_corrected_for_90_days(way: str, after_ms: int, outcome: str) -> None:
    """To the millisecond; whether it was corrected before or not."""
    scene = Scene(CARDS)
    last_ms = NOON_MS + after_ms
    late = void("late") | {"time": "2026-02-20T12:00:00Z"}
    records = [
        usage_record(usage()),
        command_record(reprice("v2"), NOON_MS, 0),
        usage_record(usage(e_id="2"), NOON_MS, 1),
        command_record(late, last_ms, 1),
        command_record(void("other", id="2", offset=1) | {"time": late["time"]}, last_ms, 2),
    ]
    scene.stand_at(last_ms)
    assert told(scene, way, records) == sorted(["command", outcome, outcome])


def test_an_identity_that_was_booked_twice_is_two_events() -> None:
    """It was forgotten in between; each is corrected at its own offset."""
    scene = Scene(CARDS)
    again = usage(e_time="2025-11-24T12:00:00Z", quantity=5)
    scene.book(usage_record(usage()), usage_record(again, NOON_MS + 2 * DAY_MS, 1))
    scene.checkpoint()
    for number in range(2):
        scene.book(command_record(void(str(number), offset=number), NOON_MS + 2 * DAY_MS, number))
        scene.checkpoint()
        scene.take_over()
    assert scene.account().refunded == 12 * CREDIT
    assert rolled_up(scene) == (2, "0")


def test_a_correction_is_counted_in_the_hour_in_which_the_event_occurred() -> None:
    """Whenever it comes, and although the rollup's row was forgotten: its new segment is negative."""
    scene = Scene(CARDS)
    scene.book(usage_record(usage(e_time="2025-11-22T01:30:00Z")))
    scene.checkpoint()
    scene.take_over()
    scene.book(command_record(void()))
    records = scene.checkpoint()
    ((key, totals),) = figures_in(records).rollups.items()
    assert (key.hour, key.channel, key.agent, key.node) == (NOON_MS // HOUR_MS - 11, "api", "ada", "answer")
    assert totals == (0, 0, 0, -2 * CREDIT)
    assert charges_in(records) == []


def test_what_may_not_be_corrected_any_more_is_forgotten() -> None:
    """Its row is removed 90 days after the last correction, here and in the changelog."""
    scene = Scene(CARDS)
    scene.book(usage_record(usage()), command_record(void()))
    scene.checkpoint()
    key = json.dumps(["acme", "/s", "1", 0], separators=(",", ":")).encode()
    assert [key for topic, key, _ in scene.written if topic == TOPICS.corrections_changelog] == [key]
    for after_ms, removed in ((90 * DAY_MS, []), (90 * DAY_MS + 1, [(key, None)])):
        scene.book(usage_record(b"", NOON_MS + after_ms, scene.partition.position[0]))
        scene.checkpoint()
        scene.book(usage_record(b"", NOON_MS + after_ms, scene.partition.position[0]))
        records = scene.checkpoint()
        assert [record[1:] for record in records if record[0] == TOPICS.corrections_changelog] == removed
    scene.take_over()
    assert scene.pipeline.tables[-1].drain() == []


def test_a_rejected_correction_says_what_is_wrong() -> None:
    """A card that the line does not have, one without the node, one by which it costs too much, a wrong place."""
    scene = Scene([CARD, DEARER.replace("1000000", "1000000000")])
    scene.book(
        usage_record(usage()),
        usage_record(usage(e_id="2", node="search"), offset=1),
        usage_record(usage(e_id="3", node="gold", quantity="0.9"), offset=2),
    )
    scene.checkpoint()
    commands = [
        reprice("v9", "a"),
        reprice("v2", "b", id="2", offset=1),
        reprice("v2", "c", id="3", offset=2),
        reprice("v2", "d", offset=2),
    ]
    scene.book(*(command_record(each, NOON_MS, at) for at, each in enumerate(commands)))
    told_ = [(letter.reason, letter.detail[:77]) for letter in dead_letters_in(scene.checkpoint())]
    assert told_ == [
        (Reason.NO_RATE_CARD, "there is no rate card default/v9"),
        (Reason.UNKNOWN_NODE, "v2 has no price for 'search'"),
        (Reason.COST_TOO_LARGE, "900000 micros of a bar cost 900000000000000 microcredits; the most is 10^14: "),
        (Reason.CHARGE_NOT_FOUND, "no charge of that event was booked there"),
    ]


def test_a_kind_that_is_written_with_escapes_is_looked_up_as_well() -> None:
    """What is read back depends on what a command says, not on its bytes."""
    scene = Scene()
    scene.book(usage_record(usage()))
    scene.checkpoint()
    body = json.dumps(void()).replace("void_event", "void\\u005fevent").encode()
    assert scene.outcome_of(command_record(body)) == "command"


def test_each_of_many_events_in_one_checkpoint_is_found() -> None:
    """Charges and entries are packed while they are booked: some are by then, some are not, some were read before."""
    scene = Scene(CARDS)
    count = 4_500
    at = 0
    for first in range(0, count, 750):
        scene.book(
            *(usage_record(usage(e_id=str(each), quantity="0.01"), offset=each) for each in range(first, first + 750))
        )
        for each in (first, first + 749, first // 2):
            scene.book(command_record(void(f"{first} {each}", id=str(each), offset=each), NOON_MS, at))
            at += 1
    assert scene.outcomes["command"] + scene.outcomes["duplicate_command"] == at
    scene.checkpoint()
    assert rolled_up(scene)[0] == count
    row = scene.account()
    assert row.charged - row.refunded == sum(each.cost for each in figures_in(scene.written).rollups.values())
    assert scene.outcomes["command"] == row.refunded // 20_000

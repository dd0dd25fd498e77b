"""Why a balance is what it is: entries are found, joined with their causes and charges, and their chain is followed."""

import json
import re
import shlex
from typing import Any

import pytest
from confluent_kafka import Message
from msgspec import structs

from producers.__main__ import _parser as producers_parser
from schemas.codec import encode_packed
from schemas.credits import format_credits
from schemas.ledger import Entry, entries_of
from stream.__main__ import main
from stream.explain.asked import Asked, Event
from stream.explain.command import summary
from stream.explain.explanation import Explained, Explanation, NotFoundError
from stream.explain.show import as_json, as_text
from stream.topic_reader import UnreadableTopicError
from tests.processes import ROOT
from tests.unit.ledger_facts import ACME
from tests.unit.ledger_records import (
    TOPICS,
    charge_batch,
    charge_of_event,
    entry_batch,
    messages,
    story_records,
)
from tests.unit.ledger_story import Story

STORY = "grant T 100 top_up until 5 Dec; charge 30; charge 80; refund e2 20; charge 5; 5 Dec: wait"
E2 = Event("/runtime", "e2")


def entries_of_story(text: str = STORY) -> list[Entry]:
    """What a story books."""
    return Story(text).entries


def explanation(
    entries: list[Entry], asked: Asked | None = None, *, extra: list[tuple[str, bytes]] | None = None, **how: Any
) -> Explanation:
    """An account's entries and charges as if Kafka had them; `extra` records come last."""
    records = story_records(entries) + (extra or [])
    ledger, charges = messages(records, TOPICS.ledger), messages(records, TOPICS.charges)
    return Explanation(asked or Asked(ACME), TOPICS, 3, iter(ledger), iter(charges), **how)


def told(found: Explained) -> str:
    """An explained entry in short: `burned -30 usage.events/3/1 30 answer`."""
    entry, charge = found.entry, found.charge
    moved = format_credits(entry.lot_microcredits or entry.owed_microcredits)
    place = f" {found.topic}/{found.partition}/{entry.offset}" if found.topic else " clock"
    used = "" if charge is None else f" {format_credits(charge.quantity_micros)} {charge.node}"
    return f"{entry.kind} {moved}{place}{used}"


def test_every_entry_is_told_with_the_place_of_its_cause_and_what_was_used() -> None:
    """In order: commands are in credits.commands, events in usage.events, the clock is nowhere."""
    why = explanation(entries_of_story())
    assert [told(each) for each in why] == [
        "granted 100 credits.commands/3/1",
        "burned -30 usage.events/3/1 30 answer",
        "burned -70 usage.events/3/2 80 answer",
        "owed 10 usage.events/3/2 80 answer",
        "refunded -10 credits.commands/3/2",
        "refunded 10 credits.commands/3/2",
        "burned -5 usage.events/3/3 5 answer",
        "expired -5 clock",
    ]
    assert (why.chain.first, why.chain.last, why.chain.broken) == (1, 8, "")
    assert why.chain.balance_microcredits == 0


@pytest.mark.parametrize(
    ("asked", "sequences"),
    [
        (Asked(ACME), [1, 2, 3, 4, 5, 6, 7, 8]),
        (Asked(ACME, first=2, last=3), [2, 3]),
        (Asked(ACME, first=8), [8]),
        (Asked(ACME, E2), [3, 4, 5, 6]),
        (Asked(ACME, E2, last=3), [3]),
        (Asked(ACME, Event("/runtime", "e1")), [2]),
    ],
)
def test_a_range_or_one_event_with_its_corrections_is_shown_alone(asked: Asked, sequences: list[int]) -> None:
    """The chain is followed over all that was read nevertheless."""
    why = explanation(entries_of_story(), asked)
    assert [each.entry.sequence for each in why] == sequences
    assert (why.chain.first, why.chain.broken) == (1, "")


def test_an_event_says_what_it_was_charged_and_what_it_costs_now() -> None:
    """80, of which 20 were refunded."""
    why = explanation(entries_of_story(), Asked(ACME, E2))
    assert len(list(why)) == 4
    assert (why.charged_microcredits, why.cost_microcredits, why.offset) == (80_000_000, 60_000_000, 2)
    assert why.is_voided


@pytest.mark.parametrize("cost", [12, 7])
def test_a_repricing_is_no_void(cost: int) -> None:
    """Upwards it burns, downwards it gives back; the event costs what the card says."""
    story = f"grant T 100; charge 10; reprice e1 {cost} v2"
    why = explanation(entries_of_story(story), Asked(ACME, Event("/runtime", "e1")))
    assert len(list(why)) == 2
    assert (why.cost_microcredits, why.is_voided) == (cost * 1_000_000, False)


def test_a_billed_correction_is_of_its_event() -> None:
    """Its entry names the currency behind the event."""
    story = "plan A 100 billed 2; charge 130; refund e1 10"
    why = explanation(entries_of_story(story), Asked(ACME, Event("/runtime", "e1")))
    assert [each.entry.kind for each in why] == ["burned", "billed", "refunded"]
    assert why.cost_microcredits == 120_000_000


def test_entries_of_other_accounts_are_passed_over() -> None:
    """Also of those whose names begin alike, or need escapes."""
    entries = entries_of_story()
    for account in ("acme2", "acm", 'acme","x', "Acme"):
        others = [structs.replace(entry, account=account) for entry in entries]
        record = (TOPICS.ledger, encode_packed(entry_batch([*others, *entries], 99)))
        why = explanation([], Asked(account), extra=[record])
        assert [each.entry.account for each in why] == [account] * len(entries)


def test_a_charge_that_is_not_retained_is_left_out() -> None:
    """Its entry is told without."""
    records = [each for each in story_records(entries_of_story()) if each[0] == TOPICS.ledger]
    why = Explanation(Asked(ACME), TOPICS, 3, iter(messages(records, TOPICS.ledger)), iter(()))
    assert [each.charge for each in why] == [None] * 8


def test_entries_from_the_middle_on_are_followed_from_the_first_that_is_retained() -> None:
    """What came before is taken on trust."""
    why = explanation(entries_of_story()[3:], is_cut=True)
    assert [each.entry.sequence for each in why] == [4, 5, 6, 7, 8]
    assert (why.chain.first, why.chain.broken) == (4, "")


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (lambda entries: entries[:2] + entries[3:], "#4 follows #2"),
        (lambda entries: [entries[1], entries[0], *entries[2:]], "#1 follows #2"),
        (
            lambda entries: [changed(entries[0], id="other"), *entries[1:]],
            "#2 does not follow #1: one of them was changed",
        ),
        (lambda entries: [changed(entries[0], previous=b"\0" * 32)], "#1 does not follow the account's name"),
        (lambda entries: [*entries[:7], changed(entries[7], balance_microcredits=7)], "#8 says a balance"),
    ],
)
def test_the_first_break_of_the_chain_is_named(spoil: Any, broken: str) -> None:
    """All entries are told nevertheless."""
    spoilt = spoil(entries_of_story())
    why = explanation(spoilt)
    assert len(list(why)) == len(spoilt)
    assert why.chain.broken.startswith(broken)


def changed(entry: Entry, **fields: Any) -> Entry:
    """The entry as somebody would have changed it."""
    return structs.replace(entry, **fields)


def free_event() -> tuple[str, bytes]:
    """The charge of an event that cost nothing, booked last."""
    charge = charge_of_event(changed(entries_of_story()[1], id="free"), 0)
    return TOPICS.charges, encode_packed(charge_batch([charge], 99))


@pytest.mark.parametrize(
    ("asked", "is_cut", "said"),
    [
        (Asked("nobody"), False, "'nobody' has no entries in credits.ledger/3; none was removed"),
        (Asked("nobody"), True, "older ones are not retained"),
        (Asked(ACME, first=9), False, "no such entry: #1 to #8 were read"),
        (Asked(ACME, Event("/runtime", "e9")), False, "no entry of event /runtime 'e9'"),
        (Asked(ACME, Event("/runtime", "free")), False, "cost 0 microcredits (answer, rate card v1, usage.events/3/1)"),
    ],
)
def test_what_is_not_found_is_said_with_why_that_may_be(asked: Asked, is_cut: bool, said: str) -> None:
    """An account without entries, a number or event that it does not have, an event that cost nothing."""
    with pytest.raises(NotFoundError) as error:
        list(explanation(entries_of_story(), asked, extra=[free_event()], is_cut=is_cut))
    assert said in str(error.value)


@pytest.mark.parametrize("topic", [TOPICS.ledger, TOPICS.charges])
def test_a_record_that_cannot_be_read_is_named(topic: str) -> None:
    """By its place."""
    odd = [Message(topic=topic, partition=3, offset=7, value=b"?")]
    ledger = odd if topic == TOPICS.ledger else []
    charges = odd if topic == TOPICS.charges else []
    with pytest.raises(UnreadableTopicError, match=f"{topic}/3/7"):
        list(Explanation(Asked(ACME), TOPICS, 3, iter(ledger), iter(charges)))


def test_people_read_what_moved_why_and_where() -> None:
    """Two or three lines an entry."""
    granted, burned = list(explanation(entries_of_story("grant T 100; charge 30")))
    assert as_text(granted).splitlines() == [
        "#1  2026-11-01T00:01:00.000Z  granted, lot T +100, balance 100",
        "    command /billing 1, credits.commands/3/1, occurred 2026-11-01T00:01:00.000000Z",
    ]
    assert as_text(burned).splitlines() == [
        "#2  2026-11-01T00:02:00.000Z  burned, lot T -30, balance 70",
        "    event /runtime e1, usage.events/3/1, occurred 2026-11-01T00:02:00.000000Z, rate card v1",
        "    30 answer for 30, agent ada, conversation c1, channel api",
    ]


def test_the_documented_example_is_what_is_shown() -> None:
    """Entries and verdict, to the letter."""
    asked = Asked(ACME, E2)
    why = explanation(entries_of_story("grant welcome 100; charge 30; charge 80; charge 5"), asked)
    shown = "\n".join(map(as_text, why))
    shown += f"\n{summary(asked, why)}"
    document = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
    assert re.findall(r"^```text\n(.*?)\n```$", document, re.M | re.S)[0] == shown


def test_the_commands_that_correct_an_event_can_be_run_as_they_are_shown() -> None:
    """Their options are those of the producers' command line, whatever the names."""
    entries = [changed(entry, account="--a b", source="it's", id="-é") for entry in entries_of_story("charge 30")]
    asked = Asked("--a b", Event("it's", "-é"))
    why = explanation(entries, asked)
    assert list(why)
    lines = [line.partition(": ")[2] for line in summary(asked, why).splitlines() if line.startswith("to ")]
    for line, kind in zip(lines, ("void-event", "reprice"), strict=True):
        given = producers_parser().parse_args(shlex.split(line)[3:])
        assert (given.kind, given.account, given.event_source, given.event_id) == (kind, "--a b", "it's", "-é")
        assert (given.partition, given.offset) == (3, 1)


def test_names_that_would_move_a_terminals_cursor_are_shown_escaped() -> None:
    """Producers choose them."""
    (granted,) = list(explanation(entries_of_story("grant T 100")))
    evil = structs.replace(granted, entry=changed(granted.entry, id="a\x1b[2J"))
    assert "'a\\x1b[2J'" in as_text(evil)


def test_programs_read_exact_text_and_where_to_correct_an_event() -> None:
    """And the hashes, by which the chain can be followed."""
    entries = entries_of_story("grant T 100; charge 30")
    granted, burned = (json.loads(as_json(each)) for each in explanation(entries))
    assert burned["lot_credits"] == "-30"
    assert (burned["topic"], burned["partition"], burned["offset"]) == ("usage.events", 3, 1)
    assert (burned["source"], burned["id"], burned["charge"]["node"]) == ("/runtime", "e1", "answer")
    assert burned["previous"] == granted["hash"]


def test_what_is_fabricated_here_is_what_the_schema_reads() -> None:
    """A batch gives back the entries that were packed."""
    entries = entries_of_story()
    assert entries_of(entry_batch(entries, 1)) == entries


@pytest.mark.parametrize(
    "arguments",
    [(), ("--account",), ("--account", "a", "--sequence", "0"), ("--account", "a", "--sequence", "3-2")],
)
def test_an_explanation_that_is_asked_for_wrongly_ends_with_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it looks for Kafka."""
    with pytest.raises(SystemExit) as ended:
        main(["explain", *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err

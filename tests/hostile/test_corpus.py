"""What was sent once and meant no good: each record ends as its folder says, and nothing else comes of it."""

import json
from collections import Counter

import msgspec
import pytest

from schemas.codec import decode_dead_letter
from schemas.dead_letter import LARGEST_DEAD_LETTER_BYTES, Reason
from schemas.topics import LARGEST_OUTPUT_BYTES
from stream.app import _fold_rate_card
from stream.rules.rate_cards import RateCards
from tests.hostile.corpus_files import kept
from tests.hostile.judged import ACCEPTED, JUDGES, LONGEST_DETAIL, UNREADABLE, UNUSED
from tests.hostile.recipes import RECIPES
from tests.unit.booking_scene import CARD, NOON_MS, TOPICS, Scene, command_record, grant, usage, usage_record

KEPT = kept()
MAY_US = 1_746_144_000_000_000
"""2025-05-02, when no card of the corpus is effective yet, or nearly none."""
OUTCOMES = {ACCEPTED, UNREADABLE, UNUSED, *(reason.value for reason in Reason)}


@pytest.mark.parametrize(
    ("kind", "outcome", "value"),
    [pytest.param(each.kind, each.outcome, each.value, id=f"{each.kind}-{each.name}") for each in KEPT],
)
def test_what_was_kept_ends_as_its_folder_says(kind: str, outcome: str, value: bytes) -> None:
    """And keeps everything that holds of any bytes: read twice alike, as the oracle, with a bounded dead letter."""
    assert JUDGES[kind](value) == outcome


@pytest.mark.parametrize("recipe", [pytest.param(each, id=f"{each.kind}-{each.name}") for each in RECIPES])
def test_what_is_too_large_to_keep_ends_as_it_should(recipe: tuple[str, str, str, object]) -> None:
    """A mebibyte of anything is treated like the rest."""
    kind, outcome, _, make = recipe
    assert callable(make)
    assert JUDGES[kind](make()) == outcome


def test_the_corpus_has_every_kind_and_outcomes_that_exist() -> None:
    """A folder with a typing mistake would be looked at by nobody."""
    assert {each.kind for each in KEPT} == set(JUDGES)
    assert {each.outcome for each in KEPT} <= OUTCOMES
    assert min(Counter(each.kind for each in KEPT).values()) > 3


@pytest.mark.parametrize(
    "key",
    [None, b"", b"\xff\xfe", b"acme\0", b" acme", b"ACME", "\u0430cme".encode(), b'"acme"', b"acme" * 250_000],
    ids=["none", "empty", "no-utf8", "zero", "space", "capitals", "cyrillic-a", "quoted", "megabyte"],
)
def test_a_key_that_is_not_the_account_is_a_dead_letter_of_bounded_size(key: bytes | None) -> None:
    """However alike they look: another key is another partition."""
    scene = Scene()
    assert scene.outcome_of(usage_record(usage(), offset=1, key=key)) == Reason.KEY_MISMATCH
    assert scene.outcome_of(command_record(grant(), offset=1, key=key)) == Reason.KEY_MISMATCH
    letters = [value for topic, _, value in scene.checkpoint() if topic == TOPICS.dead_letters and value is not None]
    assert [decode_dead_letter(letter).account for letter in letters] == ["acme", "acme"]
    assert max(map(len, letters)) < LARGEST_OUTPUT_BYTES
    assert max(len(decode_dead_letter(letter).detail) for letter in letters) <= LONGEST_DETAIL


def test_a_batch_of_hostile_input_is_booked_whole_and_the_next_event_is_priced() -> None:
    """Every record of it is counted once, and what is rejected is a dead letter that can be written and read."""
    values = [(each.kind, each.value) for each in KEPT] + [(each.kind, each.make()) for each in RECIPES]
    makers = {"usage": usage_record, "command": command_record}
    records = [
        makers[kind](value, NOON_MS, offset) for offset, (kind, value) in enumerate(values, start=1) if kind in makers
    ]
    scene = Scene()
    scene.book(*sorted(records, key=lambda record: record.topic() or ""))
    assert scene.outcomes.total() == len(records) > 200
    letters = [value for topic, _, value in scene.checkpoint() if topic == TOPICS.dead_letters]
    rejected = [outcome for outcome in scene.outcomes.elements() if outcome in set(Reason)]
    assert len(letters) == len(rejected) > 100
    for letter in letters:
        assert letter is not None
        assert len(letter) < LARGEST_OUTPUT_BYTES
        read = decode_dead_letter(letter)
        assert read.fix
        assert len(read.value) == min(read.value_bytes, LARGEST_DEAD_LETTER_BYTES)
    assert scene.outcome_of(usage_record(usage(e_id="afterwards"), offset=len(values) + 1)) == "booked"


def test_no_record_of_the_rate_cards_topic_stops_the_worker_or_takes_a_card_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The card that is in use stays in use, and the log is told in few words what is not."""
    first = CARD.replace("v1", "first").replace("2025-06", "2025-05")
    good = _fold_rate_card(RateCards(), first.encode())
    for value in [*(each.value for each in kept("rate-card")), *(r.make() for r in RECIPES if r.kind == "rate-card")]:
        book = _fold_rate_card(good, value)
        assert isinstance(book, RateCards)
        in_use = book.card_at("default", MAY_US)
        assert in_use is not None
        assert in_use.version == "first"
    assert len(caplog.messages) > 30
    assert max(map(len, caplog.messages)) <= LONGEST_DETAIL


def test_two_readers_of_a_name_that_comes_twice_agree() -> None:
    """Whoever reads usage by the standard library takes the last value, as the worker does."""
    twice = [each for each in kept("usage") if each.name.startswith("twice") and each.outcome == ACCEPTED]
    assert len(twice) > 3
    for each in twice:
        assert json.loads(each.value) == msgspec.json.decode(each.value)

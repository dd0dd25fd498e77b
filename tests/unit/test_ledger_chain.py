"""The chain of entries: what is hashed, and that no change to an account's ledger goes unseen."""

import hashlib
import json

import msgspec
import pytest

from schemas.identifiers import Account
from schemas.ledger import BrokenChainError, Entry, canonical_json, entry_hash, first_hash, verify_chain
from stream.rules.ledger.ledger import Ledger
from tests.unit.ledger_charges import charged
from tests.unit.ledger_story import Story
from tests.unit.ledger_words import instant

CREDIT = 1_000_000
NOON_MS = instant("1 Nov 12:00")


def test_an_entrys_hash_is_that_of_its_canonical_json_after_the_one_before() -> None:
    """RFC 8785: names in order, no blanks, texts as JSON has them; amounts as strings; nothing that is empty."""
    entry = Entry(
        Account('ä"\\\n\x1f\x7f€'),
        7,
        "billed",
        0,
        0,
        30,
        -5,
        "",
        "event",
        "/r",
        "e\u20281",
        0,
        "v1",
        1,
        2,
        late=True,
        price_micros=3,
        booked_at_ms=9,
        previous=b"\1" * 32,
    )
    places = [getattr(entry, name) for name in entry.__struct_fields__ if name != "previous"]
    wanted = [str(each) if 3 <= place < 7 else each for place, each in enumerate(places)][:18]
    text = json.dumps(wanted, separators=(",", ":"), ensure_ascii=False).encode()
    assert canonical_json(entry) == text
    assert entry_hash(entry) == hashlib.sha256(b"\1" * 32 + text).digest()


def test_the_first_entry_follows_the_hash_of_the_account() -> None:
    """So that no chain can be given to another account."""
    story = Story("charge 5")
    assert story.entries[0].previous == hashlib.sha256(b"acme").digest() == first_hash("acme")
    with pytest.raises(BrokenChainError, match="stands where"):
        verify_chain("bolt", story.entries)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("does not follow", {"lot_microcredits": -4, "balance_microcredits": 496}),
        ("does not follow", {"detail": "nothing"}),
        ("does not follow", {"occurred_at_us": 1}),
        ("does not come|do not come", {"lot_microcredits": -6 * CREDIT}),
        ("stands where", {"sequence": 9}),
    ],
)
def test_a_change_to_an_entry_breaks_the_chain(what: str, change: dict[str, object]) -> None:
    """Whatever is changed, be it that the effects still come to the balance."""
    entries = Story("charge 5; charge 6; charge 7").entries
    verify_chain("acme", entries)
    if "balance_microcredits" in change:
        change = {"lot_microcredits": -5 * CREDIT, "balance_microcredits": 495 * CREDIT, "id": "other"}
    entries[1] = msgspec.structs.replace(entries[1], **change)
    with pytest.raises(BrokenChainError, match=what):
        verify_chain("acme", entries)


def test_an_entry_that_is_missing_breaks_the_chain() -> None:
    """Also the last but one."""
    entries = Story("charge 5; charge 6; charge 7").entries
    with pytest.raises(BrokenChainError, match="entry 4 of 'acme' stands where 3 belongs"):
        verify_chain("acme", entries[:2] + entries[3:])


def test_a_chain_is_the_same_however_it_is_cut_into_checkpoints() -> None:
    """Only booked_at tells them apart, which is the same here."""
    chains = []
    for cuts in ((), (2,), (1, 2)):
        ledger, drained = Ledger(), []
        for event in range(3):
            if event in cuts:
                drained += ledger.drain().entries
            charged(ledger, "acme", (5 + event) * CREDIT, 1, "/r", f"e{event}", event, "v1", NOON_MS * 1_000, NOON_MS)
        drained += ledger.drain().entries
        chains.append(drained)
    assert chains[0] == chains[1] == chains[2]
    assert len(chains[0]) == 4, "free credits, then three charges"


def test_the_entries_of_a_correction_name_its_event_and_its_command() -> None:
    """So that what came back is explained to the event; a billed piece says its currency too."""
    story = Story("plan basic 10 billed 1; charge 30; refund e1; grant T 5; charge 2; reprice e2 3 v2")
    named = [(entry.kind, entry.cause, entry.detail) for entry in story.entries if entry.detail.startswith("/runtime")]
    assert named == [
        ("refunded", "command", "/runtime e1 EUR"),
        ("refunded", "command", "/runtime e1"),
        ("burned", "command", "/runtime e2"),
    ]
    (billed,) = [entry for entry in story.entries if entry.kind == "billed"]
    assert (billed.detail, billed.price_micros, billed.period_start_ms) == ("EUR", 1_000_000, instant("1 Nov"))

"""Voided and repriced events: a story, and what it comes to."""

import pytest

from tests.unit.ledger_story import Story

REFUNDS = [
    ("a refund returns to its lot", "grant T 100; charge 30; refund e1", "remaining 100; entries refunded:T:30"),
    ("also to a lot that was spent", "grant T 30; charge 30; refund e1", "remaining 30; lots T:30"),
    ("a part of it", "grant T 100; charge 30; refund e1 10", "remaining 80"),
    (
        "one void an event: the next is dropped",
        "grant T 100; charge 30; refund e1 10; refund e1",
        "answers dropped; remaining 80",
    ),
    ("no more than it cost", "grant T 100; charge 30; refund e1 31", "answers invalid_amount; remaining 70"),
    ("of a charge nobody made", "grant T 100; refund e7", "answers charge_not_found"),
    (
        "for 90 days",
        "grant T 100; charge 30; 30 Jan 00:02: refund e1",
        "answers ; remaining 100",
    ),
    ("and no longer", "grant T 100; charge 30; 30 Jan 00:02:01: refund e1", "answers too_old_to_void; remaining 70"),
    (
        "pieces come back last to first",
        "plan basic 1000; grant T 200 top_up; charge 1100; refund e1 300",
        "entries refunded:T:100 refunded:basic:1Nov:200; lots basic:1Nov:200 T:200",
    ),
    (
        "on 1 Dec, no rollover, nothing owed: 100 to the top-up, 1000 to the plan lot and expired at once",
        "plan basic 1000; grant T 200 top_up; charge 1100; 1 Dec 08:00: refund e1",
        "entries refunded:T:100 refunded:basic:1Nov:1000 expired:basic:1Nov:-1000; lots basic:1Dec:1000 T:200",
    ),
    (
        "it first reduces what is owed, whoever's",
        "grant T 100; charge 60; charge 70; refund e1",
        "remaining 30; owed 0; entries refunded:-30 refunded:T:30",
    ),
    ("overage comes back as less owed", "grant T 100; charge 130; refund e1 20", "remaining -10; owed 10; T spent 100"),
    (
        "overage that was repaid: to the lot that repaid",
        "grant A 10; charge 30; grant T 100 top_up; refund e1 20",
        "remaining 100; T repaid 0; T spent 0; A spent 10",
    ),
    (
        "to the last in order first",
        "grant A 10; charge 100; grant P 30; grant T 100 top_up; refund e1 80",
        "lots P:20 T:100; P repaid 10; remaining 120",
    ),
    (
        "its lot was voided and its spending owed, then repaid by another: to that one",
        "grant T 100 top_up; charge 60; grant A 80 priority 60; void T owe; refund e1",
        "lots A:80; A repaid 0; voided 100",
    ),
    (
        "its lot was voided, its spending kept: voided at once",
        "grant P 100; charge 60; void P keep; refund e1",
        "remaining 0; voided 100; entries refunded:P:60 voided:P:-60",
    ),
    (
        "a rolled lot: to its rollover as far as its cap had room, the rest expires",
        "plan basic 100 rollover 30; charge 80; 1 Dec: refund e1",
        (
            "entries refunded:basic:1Nov:80 rolled_out:basic:1Nov:-10 rolled_in:R:1Nov:10 expired:basic:1Nov:-70; "
            "lots R:1Nov:30 basic:1Dec:100; expired 70"
        ),
    ),
    (
        "room is used once",
        "plan basic 100 rollover 30; charge 40; charge 40; 1 Dec: refund e1; refund e2",
        "lots R:1Nov:30 basic:1Dec:100; expired 70",
    ),
    (
        "a lot that was spent has a rollover too",
        "plan basic 100 rollover 30; charge 100; 1 Dec: refund e1",
        "lots R:1Nov:30 basic:1Dec:100; expired 70",
    ),
    (
        "a rollover that has ended itself: expired",
        "plan basic 100 rollover 30; charge 80; 2 Jan: refund e1",
        "lots R:1Dec:30 basic:1Jan:100; R:1Nov expired 20; basic:1Nov expired 80",
    ),
    (
        "late usage gives back to the lot that had expired",
        "grant A 400 until 1 Dec; 1 Dec 10:00: charge 12 of 30 Nov; refund e1",
        "expired 400; A spent 0; remaining 0",
    ),
    (
        "a billed piece is credited on the bill",
        "plan basic 100 billed 2; charge 130; refund e1 10; 1 Dec: wait",
        "billed 20; bills 20=40; expired 0",
    ),
    (
        "a closed bill never changes: the current one names it",
        "plan basic 100 billed 2; charge 130; 5 Dec: refund e1 30; 1 Jan: wait",
        "billed 0; bills 30=60 -30=-60@1Nov",
    ),
    (
        "after the plan has ended as well",
        "plan basic 100 billed 2; charge 130; 5 Dec: cancel now; refund e1 30; 1 Jan: wait",
        "bills 30=60 -30=-60@1Nov; billed 0",
    ),
    (
        "a billed piece that comes back makes room below the limit",
        "plan basic 100 billed 2 limit 30; charge 130; refund e1 10; charge 10",
        "billed 30; owed 0",
    ),
    ("an event of nothing has no charge to void", "grant T 10; charge 0; refund e1", "answers charge_not_found"),
]

REPRICED = [
    ("up burns today's lots", "grant T 100; charge 30; reprice e1 45 v2", "remaining 55; entries burned:T:-15"),
    ("down is a refund", "grant T 100; charge 30; reprice e1 10 v2", "remaining 90; entries refunded:T:20"),
    ("the same is nothing", "grant T 100; charge 30; reprice e1 30 v2", "remaining 70; entries burned:T:-30"),
    (
        "once an event and version",
        "grant T 100; charge 30; reprice e1 45 v2; reprice e1 50 v2",
        "answers dropped; remaining 55",
    ),
    ("another version prices anew", "grant T 100; charge 30; reprice e1 45 v2; reprice e1 40 v3", "remaining 60"),
    (
        "a voided event is skipped",
        "grant T 100; charge 30; refund e1; reprice e1 45 v2",
        "answers dropped; remaining 100",
    ),
    (
        "what is refunded is the charge as it stands now",
        "grant T 100; charge 30; reprice e1 45 v2; refund e1",
        "remaining 100; answers ",
    ),
    (
        "up beyond what is held is overage",
        "plan basic 40 billed 1; charge 30; reprice e1 45 v2; 1 Dec: wait",
        "billed 5; bills 5=5",
    ),
    (
        "up draws on no lot that ended",
        "grant A 100 until 3 Nov; grant T 100; charge 30; 3 Nov: reprice e1 45 v2",
        "lots T:85; expired 70",
    ),
    ("down to nothing", "grant T 100; charge 30; reprice e1 0 v2; refund e1", "remaining 100; answers "),
    ("up to 90 days back", "grant T 100; charge 30; 31 Jan: reprice e1 45 v2", "answers too_old_to_void; remaining 70"),
]


@pytest.mark.parametrize(("name", "story", "outcome"), REFUNDS + REPRICED)
def test_corrections(name: str, story: str, outcome: str) -> None:
    """Each row is a rule, a story and its outcome."""
    assert Story(story).tell(outcome) == outcome

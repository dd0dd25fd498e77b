"""Lots, charges, overage, expiry and voids: a story, and what it comes to."""

import pytest

from tests.unit.ledger_story import Story

CHARGES = [
    ("the first usage brings 500 credits", "charge 0", "remaining 500; lots free:500"),
    ("a charge burns them down", "charge 120", "remaining 380; entries granted:free:500 burned:free:-120"),
    (
        "free 500, no plan, observe; charges 120, 380, 30",
        "charge 120; charge 380; charge 30",
        "remaining -30; owed 30; alerts 0 would_block; beyond 1 30; leaked 0 0",
    ),
    (
        "then a top-up of 100: 30 repaid, the lot holds 70, the alert is armed again",
        "charge 120; charge 380; charge 30; grant T 100 top_up; charge 70",
        "remaining 0; T spent 100; alerts 0 would_block would_unblock 0 would_block",
    ),
    ("a first charge above the free credits is overage at once", "charge 620", "remaining -120; owed 120; available 0"),
    (
        "plan lot 1000 (until 1 Dec), top-up 200 (no end); charge 1100",
        "plan basic 1000; grant T 200 top_up; charge 1100",
        "entries burned:basic:1Nov:-1000 burned:T:-100; remaining 100; lots T:100",
    ),
    ("a charge of nothing is no entry", "charge 100; charge 0", "remaining 400; entries burned:free:-100"),
    ("one microcredit counts", "charge 0.000001", "remaining 499.999999"),
    ("a grant of one microcredit is a lot", "grant T 0.000001; charge 0.000002", "remaining -0.000001; owed 0.000001"),
    ("a command opens an account without free credits", "grant T 100; charge 30", "remaining 70; lots T:70"),
    ("what a lot holds exactly is burned without overage", "grant T 100; charge 100", "remaining 0; owed 0; lots "),
    (
        "overage grows while nothing is granted",
        "grant T 10; charge 15; charge 5",
        "remaining -10; owed 10; available 0",
    ),
]

ORDER = [
    (
        "two lots of equal priority that end on 5 and 3 Dec: that of 3 Dec first",
        "grant A 100 until 5 Dec; grant B 100 until 3 Dec; charge 120",
        "lots A:80; entries burned:B:-100 burned:A:-20",
    ),
    ("lower priority burns first", "grant A 100 priority 9; grant B 100 priority 8; charge 50", "lots B:50 A:100"),
    ("a lot with an end before one without", "grant A 100; grant B 100 until 1 Jan; charge 50", "lots B:50 A:100"),
    ("the earlier begun of two alike", "grant B 100; grant A 100; charge 50", "lots B:50 A:100"),
    (
        "of two begun at once by id",
        "grant B 100 from 3 Nov; grant A 100 from 3 Nov; 4 Nov: charge 50",
        "lots A:50 B:100",
    ),
    (
        "priority beats the end",
        "grant A 100 priority 1; grant B 100 priority 2 until 2 Nov; charge 50",
        "lots A:50 B:100",
    ),
    (
        "plan before promotional before adjustment before top-up",
        "plan basic 10; grant T 10 top_up; grant J 10 adjustment; grant P 10; charge 35",
        "entries burned:basic:1Nov:-10 burned:P:-10 burned:J:-10 burned:T:-5",
    ),
    (
        "a lot that has not begun is not burned",
        "grant A 100 from 3 Nov; charge 30",
        "remaining -30; owed 30; balance 70; available 0",
    ),
    (
        "when it begins it repays first",
        "grant A 100 from 3 Nov; charge 30; 3 Nov: wait",
        "remaining 70; owed 0; entries lot_started:A:0 repaid:A:-30",
    ),
    (
        "a usable lot pays for events from before its start",
        "2 Nov: grant A 100; charge 30 of 1 Nov 12:00",
        "lots A:70",
    ),
    (
        "a repayment follows burn-down order",
        "charge 560; grant T 40 top_up; grant P 40; charge 5",
        "lots P:15; entries repaid:P:-20 burned:P:-5",
    ),
]

ENDS = [
    ("a lot expires at its end without traffic", "grant A 100 until 3 Nov; 3 Nov: wait", "remaining 0; expired 100"),
    ("and not before", "grant A 100 until 3 Nov; 2 Nov 23:59:59: wait", "remaining 100; expired 0"),
    ("what is spent does not expire", "grant A 100 until 3 Nov; charge 60; 3 Nov: wait", "expired 40; A spent 60"),
    (
        "a charge at the very end finds it expired",
        "grant A 100 until 3 Nov; 3 Nov: charge 10",
        "remaining -10; expired 100",
    ),
    (
        "late usage draws on what its lot lost",
        "grant A 400 until 1 Dec; grant T 50; 1 Dec 10:00: charge 12 of 30 Nov 23:00",
        "entries expiry_reversed:A:12 burned:A:-12; lots T:50; expired 388",
    ),
    (
        "the November lot expired 400; an event of 30 Nov arrives on 1 Dec: December is untouched",
        "plan basic 1000; charge 600; 1 Dec 10:00: charge 12 of 30 Nov 23:00",
        "entries expiry_reversed:basic:1Nov:12 burned:basic:1Nov:-12; lots basic:1Dec:1000",
    ),
    (
        "an event of the end itself is not late",
        "grant A 400 until 1 Dec; grant T 50; 1 Dec 10:00: charge 12 of 1 Dec",
        "lots T:38; expired 400",
    ),
    (
        "nor of the end of one lot, where another ended later",
        "grant A 10 until 1 Dec; grant B 10 from 2 Dec until 5 Dec; 6 Dec: charge 5 of 1 Dec",
        "expired 20; owed 5",
    ),
    (
        "an event from before a lot began does not draw on what it lost",
        "2 Nov: grant A 400 until 1 Dec; grant T 50; 1 Dec 10:00: charge 12 of 1 Nov 12:00",
        "lots T:38; expired 400",
    ),
    (
        "late usage takes no more than was lost, in ordinary order",
        "grant A 20 until 1 Dec; grant T 50 top_up; charge 5; 1 Dec 10:00: charge 40 of 30 Nov",
        "entries expiry_reversed:A:15 burned:A:-15 burned:T:-25; lots T:25; expired 0",
    ),
    (
        "a lot burned in order before one that ended",
        "grant A 20 priority 30 until 1 Dec; grant P 50 priority 5; 1 Dec: charge 12 of 30 Nov",
        "lots P:38; expired 20",
    ),
    (
        "a voided lot pays for nothing late",
        "grant A 100 until 3 Nov; 3 Nov: void A; grant T 50; charge 10 of 2 Nov",
        "lots T:40; expired 100",
    ),
    (
        "an end before the start is refused",
        "grant A 100 from 5 Nov until 3 Nov",
        "answers invalid_terms",
    ),
    ("an end in the past is refused", "3 Nov: grant A 100 until 2 Nov", "answers invalid_terms"),
    (
        "names that the ledger gives are its own",
        "grant plan:x 1; grant free:acme 1",
        "answers grant_id_reused grant_id_reused",
    ),
    ("a name is used once", "grant A 100; grant A 50", "remaining 100; answers grant_id_reused"),
    ("a grant is above nothing", "grant A 0", "answers invalid_amount"),
    ("and at most 10^9 credits", "grant A 1000000000.000001", "answers invalid_amount"),
    ("a priority is at most 100", "grant A 1 priority 101", "answers invalid_terms"),
]

TAKEN_BACK = [
    (
        "void a top-up of 100 with 60 spent, owe; another lot holds 50",
        "grant T 100 top_up; charge 60; grant A 50 priority 60; void T owe",
        "voided 100; remaining -10; owed 10; entries voided:T:-40 void_owed:T:60 repaid:A:-50",
    ),
    ("owe is a top-up's default", "grant T 100 top_up; charge 60; void T", "voided 100; remaining -60; owed 60"),
    ("keep is a promotion's default", "grant P 100; charge 60; void P", "voided 40; remaining 0; owed 0"),
    ("a top-up may be kept as well", "grant T 100 top_up; charge 60; void T keep", "voided 40; remaining 0; owed 0"),
    ("a part is of what is unspent", "grant T 100 top_up; charge 60; void T 30", "voided 30; remaining 10; lots T:10"),
    (
        "and no more",
        "grant T 100 top_up; charge 60; void T 41",
        "answers exceeds_available; voided 0; remaining 40",
    ),
    (
        "what expired stays expired",
        "grant T 100 top_up until 3 Nov; charge 60; 3 Nov: void T",
        "expired 40; voided 60; owed 60",
    ),
    ("a grant is voided once", "grant P 100; void P; void P", "answers grant_voided; voided 100"),
    ("a grant nobody made", "grant P 100; void Q", "answers unknown_grant"),
    (
        "voiding repaid credits makes them owed again",
        "charge 530; grant T 100 top_up; void T",
        "owed 30; remaining -30; voided 100",
    ),
    (
        "a lot that has not begun is voided too",
        "grant A 100 from 3 Nov; void A; 3 Nov: wait",
        "voided 100; balance 0; remaining 0",
    ),
    (
        "a plan's lot covers its rollover",
        "plan basic 100 rollover 50; 1 Dec: void plan:basic:2026-11-01:2",
        "voided 50; expired 50; lots basic:1Dec:100",
    ),
    ("adjust + is a lot", "grant T 10; adjust J +50", "remaining 60; J granted 50"),
    (
        "adjust - takes from usable lots in burn order",
        "grant T 30; grant A 30 priority 5; adjust J -40",
        "remaining 20; entries voided:A:-30 voided:T:-10",
    ),
    ("but no more than they hold", "grant T 30; adjust J -31", "answers exceeds_available; remaining 30"),
    (
        "nor from a lot that has not begun",
        "grant T 30; grant A 30 from 3 Nov; adjust J -31",
        "answers exceeds_available; balance 60",
    ),
    ("what is owed is repaid by an adjustment", "charge 530; adjust J +50", "remaining 20; owed 0"),
]


@pytest.mark.parametrize(("name", "story", "outcome"), CHARGES + ORDER + ENDS + TAKEN_BACK)
def test_lots(name: str, story: str, outcome: str) -> None:
    """Each row is a rule, a story and its outcome."""
    assert Story(story).tell(outcome) == outcome

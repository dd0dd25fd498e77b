"""Thresholds, the gate and auto-refill: a story, and what was said."""

import pytest

from schemas.notices import Alert
from tests.unit.ledger_story import Story

THRESHOLDS = [
    ("at the level, once", "grant T 100; policy alert 50; charge 49; charge 1; charge 1", "alerts 50"),
    ("all levels crossed, highest first", "grant T 100; policy alert 10 alert 50; charge 95", "alerts 50 10"),
    ("back above, it is armed again", "grant T 100; policy alert 50; charge 60; grant A 60; charge 60", "alerts 50 50"),
    ("set while below fires once", "grant T 40; policy alert 50; charge 1", "alerts 50!"),
    ("set again, it keeps its state", "grant T 100; policy alert 50; charge 60; policy alert 50 alert 5", "alerts 50"),
    (
        "percent of what was usable at the start",
        "plan basic 1000; policy alert 20%; charge 799; charge 1",
        "alerts 20%",
    ),
    (
        "a purchase raises the base",
        "plan basic 1000; policy alert 20%; grant T 1000 top_up; charge 1599; charge 1",
        "alerts 20%; remaining 400",
    ),
    (
        "a void lowers it",
        "plan basic 1000; grant T 1000 top_up; policy alert 20%; void T; charge 799; charge 1",
        "alerts 20%; remaining 200",
    ),
    (
        "another base arms it silently",
        "plan basic 100; policy alert 20%; charge 85; grant T 1000 top_up; charge 815; wait",
        "alerts 20% 20%; remaining 200",
    ),
    (
        "a lot that begins raises the base",
        "grant T 100; grant A 100 from 3 Nov; policy alert 50%; 3 Nov: charge 99; charge 1",
        "alerts 50%; remaining 100",
    ),
    (
        "a period's start is a new base",
        "plan basic 100; grant T 300; policy alert 50%; charge 190; 1 Dec: charge 154",
        "remaining 156; alerts ",
    ),
    (
        "so is a plan's end, amid a month",
        "plan basic 100 anchor 15; grant T 300; policy alert 50%; cancel later; charge 40; 15 Nov: charge 149",
        "remaining 151; alerts ",
    ),
    (
        "without a plan a period is a month",
        "grant T 300; policy alert 50%; charge 140; 1 Dec: charge 79; charge 1",
        "remaining 80; alerts 50%",
    ),
    (
        "and that before anybody watched it",
        "grant T 300; charge 140; 1 Dec 10:00: charge 10; policy alert 50%; charge 69; charge 1",
        "remaining 80; alerts 50%",
    ),
    (
        "a base that rose above Remaining disarms silently",
        "grant T 100; charge 10; 1 Dec: policy alert 100%; refund e1; 1 Jan: wait",
        "alerts 100%!; remaining 100",
    ),
    ("expiry fires as well", "grant T 100 until 3 Nov; policy alert 50; 3 Nov: wait", "alerts 50 0 would_block"),
    (
        "evaluated after the last entry of a posting: an expiry that is followed by a renewal fires nothing",
        "plan basic 100; policy alert 50; 1 Dec: wait",
        "alerts ",
    ),
    ("no more than 8", "policy " + "".join(f"alert {n} " for n in range(1, 10)), "answers invalid_terms"),
    ("none at 0: that one is always there", "policy alert 0", "answers invalid_terms"),
    ("none twice", "policy alert 5 alert 5", "answers invalid_terms"),
    ("at most 100 percent", "policy alert 101%", "answers invalid_terms"),
]

GATE = [
    (
        "observe says what enforce would do",
        "charge 400; charge 100; charge 5",
        "alerts 0 would_block; beyond 1 5; leaked 0 0",
    ),
    ("enforce blocks", "grant T 10; policy enforce; charge 12; charge 5", "alerts 0 blocked; beyond 1 5; leaked 1 5"),
    ("and unblocks", "grant T 10; policy enforce; charge 12; grant A 5", "alerts 0 blocked unblocked; gate open"),
    (
        "a part of what is owed opens nothing",
        "grant T 10; policy enforce; charge 30; grant A 5",
        "alerts 0 blocked; gate closed",
    ),
    ("billed overage keeps it open", "plan basic 10 billed 1; policy enforce; charge 30", "gate open; alerts 0"),
    (
        "until its limit is reached",
        "plan basic 10 billed 1 limit 5; policy enforce; charge 14; charge 1",
        "gate closed; alerts 0 blocked",
    ),
    (
        "which is another one in the next period",
        "plan basic 10 billed 1 limit 5; policy enforce; charge 15; 1 Dec: wait",
        "gate open; alerts 0 blocked unblocked",
    ),
    (
        "from observe to enforce while it is closed",
        "charge 1; charge 499; policy enforce",
        "alerts 0 would_block blocked",
    ),
    (
        "what is owed may be waived then",
        "charge 1; charge 529; policy enforce waive; grant T 1",
        "owed 0; remaining 1; alerts 0 would_block blocked unblocked",
    ),
    ("mode touches nothing else", "policy enforce; charge 5", "remaining -5; owed 5; leaked 1 5"),
    ("behind the present, alerts say so", "grant T 10; behind; charge 12", "alerts 0~ would_block~"),
]

REFILLS = [
    (
        "below 50 by 100, overage carried; Remaining 60; twenty charges of 5: one request, at the third",
        "plan basic 60 carried; policy refill 100 below 50; charge 5 x20; paid r1",
        "requests r1:100; remaining 60; asked 1T00:03",
    ),
    (
        "Remaining -4,960 when asked: one request of 5,100",
        "plan basic 40 carried; charge 5000; policy refill 100 below 50",
        "remaining -4960; requests r1:5100",
    ),
    ("at the level nothing is asked", "grant T 60; policy refill 100 below 50; charge 10", "requests ; alerts "),
    (
        "paid, and low again: another",
        "grant T 60; policy refill 100 below 50; charge 20; paid r1; charge 95",
        "requests r1:100 r2:100; lots refill:45",
    ),
    (
        "paid is once an id",
        "grant T 60; policy refill 100 below 50; charge 20; paid r1; paid r1",
        "answers refill_answered; remaining 140",
    ),
    (
        "an id nobody asked for",
        "grant T 60; policy refill 100 below 50; paid r1",
        "answers unknown_refill; alerts refill_unknown; remaining 60",
    ),
    (
        "unanswered: the same after 15 minutes, then 30, then hourly",
        "1 Nov 10:00: grant T 60; policy refill 100 below 50; 1 Nov 12:00: charge 20; 1 Nov 15:00: wait",
        "asked 1T12:00 1T12:15 1T12:45 1T13:45 1T14:45; requests r1:100 r1:100 r1:100 r1:100 r1:100",
    ),
    (
        "declined: an hour, doubling; the fourth in a row suspends",
        (
            "grant T 60; policy refill 100 below 50; 1 Nov 10:00: charge 20; declined r1; 1 Nov 12:00: wait; "
            "1 Nov 12:01: declined r2; 1 Nov 14:02: declined r3; 1 Nov 18:03: declined r4; 9 Nov: charge 1"
        ),
        "asked 1T10:00 1T11:01 1T11:16 1T11:46 1T14:01 1T18:02; alerts refill_suspended",
    ),
    (
        "final: suspended at once",
        "grant T 60; policy refill 100 below 50; charge 20; declined r1 final; 9 Nov: charge 1",
        "requests r1:100; alerts refill_suspended",
    ),
    (
        "a paid purchase ends it",
        "grant T 60; policy refill 100 below 50; charge 20; declined r1 final; grant A 5 top_up paid",
        "requests r1:100 r2:100",
    ),
    (
        "a gift does not",
        "grant T 60; policy refill 100 below 50; charge 20; declined r1 final; grant A 5",
        "requests r1:100",
    ),
    (
        "a new policy does",
        "grant T 60; policy refill 100 below 50; charge 20; declined r1 final; policy refill 200 below 50",
        "requests r1:100 r2:200",
    ),
    (
        "paid after a decline: granted, and nothing is asked",
        "grant T 60; policy refill 100 below 50; charge 20; declined r1; paid r1; 9 Nov: wait",
        "remaining 140; requests r1:100",
    ),
    (
        "paid after a switch-off: granted",
        "grant T 60; policy refill 100 below 50; charge 20; policy ; paid r1",
        "remaining 140; requests r1:100",
    ),
    (
        "switched off, nothing is repeated",
        "grant T 60; policy refill 100 below 50; charge 20; policy ; 2 Nov: wait",
        "requests r1:100",
    ),
    (
        "a cap in credits: as many amounts as fit",
        "grant T 60; policy refill 100 below 500 cap 300; charge 20; paid r1; charge 1",
        "requests r1:300; alerts refill_cap_reached",
    ),
    (
        "none fits: said once, and again possible in the next month",
        "grant T 60; policy refill 100 below 50 cap 150; charge 20; paid r1; charge 120; charge 1; 1 Dec: wait",
        "requests r1:100 r2:100; alerts refill_cap_reached",
    ),
    (
        "a cap in number",
        "grant T 60; policy refill 100 below 50 most 1; charge 20; paid r1; charge 120; charge 1",
        "requests r1:100; alerts refill_cap_reached",
    ),
    (
        "behind the present nothing is asked; caught up it is, once",
        "grant T 60; policy refill 100 below 50; behind; charge 20; charge 5; 1 Nov 12:00: caught; charge 1",
        "requests r1:100; asked 1T12:00",
    ),
    (
        "nor repeated",
        (
            "1 Nov 10:00: grant T 60; policy refill 100 below 50; 1 Nov 12:00: charge 20; behind; "
            "1 Nov 20:00: charge 1; 1 Nov 21:00: caught"
        ),
        "asked 1T12:00 1T21:00",
    ),
    ("an amount is above nothing", "grant T 1; policy refill 0 below 50", "answers invalid_terms"),
]


@pytest.mark.parametrize(("name", "story", "outcome"), THRESHOLDS + GATE + REFILLS)
def test_telling(name: str, story: str, outcome: str) -> None:
    """Each row is a rule, a story and what was said."""
    assert Story(story).tell(outcome) == outcome


def test_an_alert_has_its_own_id_for_every_occasion() -> None:
    """A threshold that was removed and set again, a gate that closed twice: no id comes twice."""
    steps = "grant T 100; policy alert 50; charge 60; policy ; policy alert 50; grant A 60; charge 110; grant B 100"
    story = Story(f"{steps}; charge 100")
    ids = [each.id for each in story.notices if isinstance(each, Alert)]
    assert len(ids) == len(set(ids)) > 6
    again = [each.id for each in Story("grant T 100; policy alert 50; charge 60").notices if isinstance(each, Alert)]
    assert again == ids[:1]

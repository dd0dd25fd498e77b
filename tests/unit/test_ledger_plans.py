"""Plans, periods, renewals and rollovers: a story, and what it comes to."""

import pytest

from tests.unit.ledger_story import Story

PERIODS = [
    ("a plan on its anchor has all its credits", "plan basic 1000", "remaining 1000; lots basic:1Nov:1000"),
    ("10 of 30 days have a third of them", "21 Nov 15:00: plan basic 900", "remaining 300; lots basic:21Nov:300"),
    ("the day of activation counts whole", "30 Nov 23:59: plan basic 900", "remaining 30"),
    (
        "16 of the 31 days between 15 Nov's anchors are rounded half-even once: 1000 x 14/31",
        "1 Nov 12:00: plan basic 1000 anchor 15",
        "remaining 451.612903; lots basic:1Nov:451.612903",
    ),
    (
        "the period after a short first one is whole",
        "21 Nov: plan basic 900; 1 Dec: wait",
        "remaining 900; lots basic:1Dec:900; expired 300",
    ),
    (
        "what is left expires at the period's end and the next period is granted, traffic or not",
        "plan basic 1000; charge 600; 1 Dec: wait",
        "remaining 1000; expired 400; lots basic:1Dec:1000",
    ),
    (
        "600 used; down from 30 Nov to 2 Dec; 300 ingested on 30 Nov, 200 on 1 Dec; no alert",
        "plan basic 1000; charge 600; 30 Nov 20:00: charge 300; 1 Dec 09:00: charge 200",
        "expired 100; remaining 800; lots basic:1Dec:800; alerts ",
    ),
    (
        "periods nobody saw are worked off in order",
        "plan basic 100; 15 Feb: charge 10",
        "expired 300; remaining 90; lots basic:1Feb:90",
    ),
    (
        "an anchor of 31 uses a short month's last day: 30 Nov, 31 Dec",
        "30 Nov: plan basic 100 anchor 31; 30 Dec 23:58: wait; charge 1",
        "lots basic:30Nov:99; remaining 99; expired 0",
    ),
    (
        "28 Feb, and 31 March again",
        "30 Nov: plan basic 100 anchor 31; 28 Feb: wait",
        "lots basic:28Feb:100; expired 300",
    ),
    ("overage owed survives the period's end", "plan basic 100; charge 130; 1 Dec: wait", "remaining 70; owed 0"),
    ("a plan is active: no second one", "plan basic 100; plan pro 200", "answers plan_active; remaining 100"),
    ("nothing to change without a plan", "grant T 1; change pro 10 now; cancel now", "answers no_plan no_plan"),
    ("an anchor is a day", "plan basic 100 anchor 32", "answers invalid_terms"),
    ("billed overage has a price", "plan basic 100 billed 0", "answers invalid_terms"),
    (
        "what is owed is kept: the plan's credits repay it",
        "charge 530; plan basic 100",
        "remaining 70; owed 0; entries granted:basic:1Nov:100 repaid:basic:1Nov:-30",
    ),
    (
        "or waived: a grant of exactly that",
        "charge 530; plan basic 100 waive",
        "remaining 100; owed 0; waived granted 30; lots basic:1Nov:100",
    ),
    (
        "nothing to waive makes no grant",
        "charge 30; plan basic 100 waive",
        "remaining 570; lots basic:1Nov:100 free:470",
    ),
]

PAYMENT = [
    (
        "a plan that renews on payment waits for it",
        "plan basic 100 on_payment; 1 Dec: wait",
        "remaining 0; expired 100; lots ",
    ),
    (
        "paid, it has the period's credits",
        "plan basic 100 on_payment; 3 Dec: renew 1 Dec",
        "remaining 100; lots basic:1Dec:100",
    ),
    (
        "once",
        "plan basic 100 on_payment; 3 Dec: renew 1 Dec; renew 1 Dec",
        "remaining 100; answers period_renewed",
    ),
    (
        "paid ahead, they start with the period",
        "plan basic 100 on_payment; 20 Nov: renew 1 Dec; charge 100; 1 Dec: charge 10",
        "remaining 90; lots basic:1Dec:90; owed 0",
    ),
    ("the first period is the activation's", "plan basic 100 on_payment; renew 1 Nov", "answers period_renewed"),
    ("a period that is neither", "plan basic 100 on_payment; renew 1 Jan", "answers unknown_period"),
    ("a period that has ended", "plan basic 100 on_payment; 2 Jan: renew 1 Dec", "answers unknown_period"),
    ("a plan that renews by the clock is not renewed", "plan basic 100; 3 Dec: renew 1 Dec", "answers invalid_terms"),
]

ROLLOVER = [
    (
        "the rest rolls up to the cap, what is above expires",
        "plan basic 1000 rollover 200; charge 700; 1 Dec: wait",
        "lots R:1Nov:200 basic:1Dec:1000; expired 100; remaining 1200",
    ),
    (
        "no total changes by it",
        "plan basic 1000 rollover 500; charge 700; 1 Dec: wait",
        "balance 1300; expired 0; R:1Nov rolled_in 300; basic:1Nov rolled_out 300",
    ),
    (
        "it never rolls again",
        "plan basic 1000 rollover 200; 1 Jan: wait",
        "expired 1800; lots R:1Dec:200 basic:1Jan:1000",
    ),
    (
        "for two periods it is usable in two",
        "plan basic 1000 rollover 200 for 2; 31 Jan: wait",
        "lots R:1Nov:200 basic:1Jan:1000",
    ),
    (
        "older rollovers take room from the cap",
        "plan basic 1000 rollover 200 for 2; 2 Dec: void plan:basic:2026-11-01:2 150; 1 Jan: wait",
        "lots R:1Nov:50 basic:1Jan:1000 R:1Dec:150",
    ),
    (
        "nothing rolls when the plan ends",
        "plan basic 1000 rollover 200; cancel later; 1 Dec: wait",
        "remaining 0; expired 1000",
    ),
    (
        "rollover burns before the new period's credits: it ends as soon, and began earlier",
        "plan basic 1000 rollover 200; 1 Dec: charge 50",
        "lots R:1Nov:150 basic:1Dec:1000",
    ),
]

CHANGES = [
    (
        "1000 to 5000 with 15 of 30 days left, 800 used",
        "plan basic 1000; charge 800; 16 Nov 09:00: change pro 5000 now",
        "voided 200; lots pro:1Nov:2200; pro:1Nov granted 2200",
    ),
    (
        "nothing used: all that is unearned comes back",
        "plan basic 1000; 16 Nov: change pro 5000 now",
        "voided 500; lots basic:1Nov:500 pro:1Nov:2500; remaining 3000",
    ),
    (
        "all used: what was not earned is taken off the new lot",
        "plan basic 1000; charge 1000; 16 Nov: change pro 2000 now",
        "voided 0; lots pro:1Nov:500",
    ),
    (
        "never below nothing",
        "plan basic 1000; charge 1000; 16 Nov: change basic2 1000 now",
        "voided 0; remaining 0; lots ",
    ),
    (
        "rounded half-even, once: 2 x 1/30",
        "plan basic 0.000001; charge 0.000001; 30 Nov: change pro 0.000015 now",
        "remaining 0; lots ",
    ),
    ("fewer credits only at the period's end", "plan basic 1000; change mini 100 now", "answers only_at_period_end"),
    (
        "then they hold",
        "plan basic 1000; change mini 100 later; 1 Dec: wait",
        "remaining 100; lots mini:1Dec:100; expired 1000",
    ),
    (
        "the last change for the period's end counts",
        "plan basic 1000; change mini 100 later; change maxi 3000 later; 1 Dec: wait",
        "lots maxi:1Dec:3000",
    ),
    (
        "another anchor shortens the period after the next anchor's: 14 of 30 days",
        "plan basic 1000; change mid 300 anchor 15 later; 1 Dec: wait",
        "lots mid:1Dec:140",
    ),
    ("cancelled at the period's end", "plan basic 1000; cancel later; 30 Nov: wait", "remaining 1000"),
    ("its lots expire then", "plan basic 1000; cancel later; 1 Dec: wait", "remaining 0; expired 1000; voided 0"),
    ("cancelled at once its lots are voided", "plan basic 1000; charge 300; cancel now", "remaining 0; voided 700"),
    (
        "the last word for the period's end counts: a change after a cancellation",
        "plan basic 100; cancel later; change pro 50 later; 1 Dec: wait",
        "remaining 50; lots pro:1Dec:50",
    ),
    (
        "and a cancellation after a change",
        "plan basic 100; change pro 50 later; cancel later; 1 Dec: wait",
        "remaining 0; lots ",
    ),
    ("other lots stay", "plan basic 1000; grant T 50; cancel now", "remaining 50; lots T:50"),
    (
        "then another plan may be activated",
        "plan basic 1000; cancel now; plan pro 30",
        "remaining 30; lots pro:1Nov:30",
    ),
    ("what is owed survives it", "plan basic 10 carried; charge 30; cancel now", "remaining -20; owed 20"),
]


@pytest.mark.parametrize(("name", "story", "outcome"), PERIODS + PAYMENT + ROLLOVER + CHANGES)
def test_plans(name: str, story: str, outcome: str) -> None:
    """Each row is a rule, a story and its outcome."""
    assert Story(story).tell(outcome) == outcome

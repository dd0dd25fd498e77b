"""Overage and bills: a story, and what it comes to."""

import pytest

from tests.unit.ledger_story import Story

OVERAGE = [
    ("carried overage is owed", "plan basic 100 carried; charge 130", "remaining -30; owed 30; gate open"),
    ("refused overage is owed too: the work was done", "plan basic 100; charge 130", "owed 30; gate closed"),
    (
        "billed overage is never owed: 30 credits at 2.5 cents are 75 cents",
        "plan basic 100 billed 2.5; charge 130; 1 Dec: wait",
        "remaining 100; owed 0; billed 30; bills 30=75",
    ),
    (
        "and never repaid with credits",
        "plan basic 100 billed 2.5; charge 130; grant T 50 top_up; 1 Dec: wait",
        "lots basic:1Dec:100 T:50; billed 30; bills 30=75",
    ),
    (
        "an amount is rounded half-even, once a line: 0.2 + 0.2 credits at 2.5 cents are 1 cent",
        "plan basic 1 billed 2.5; charge 1.2; charge 0.2; 1 Dec: wait",
        "bills 0.4=1",
    ),
    ("half a cent to the even cent: 0.2 credits", "plan basic 1 billed 2.5; charge 1.2; 1 Dec: wait", "bills 0.2=0"),
    ("1.5 cents are 2", "plan basic 1 billed 2.5; charge 1.6; 1 Dec: wait", "bills 0.6=2"),
    (
        "a bill belongs to the period in which it was booked",
        "plan basic 100 billed 1; charge 110; 1 Dec 00:10: charge 105 of 30 Nov 23:00; 1 Jan: wait",
        "bills 10=10 5=5",
    ),
    (
        "beyond its limit overage is refused",
        "plan basic 100 billed 1 limit 20; charge 130",
        "billed 20; owed 10; remaining -10; gate closed",
    ),
    (
        "the limit is of a period",
        "plan basic 100 billed 1 limit 20; charge 120; 1 Dec: charge 120; 1 Jan: wait",
        "billed 40; owed 0; bills 20=20 20=20",
    ),
    (
        "carried overage has a limit as well",
        "plan basic 100 carried limit 20; charge 119; charge 1; charge 1",
        "owed 21; gate closed; beyond 1 1",
    ),
    (
        "two prices are two lines",
        "plan basic 100 billed 1; charge 110; 15 Nov: change basic2 100 billed 2 now; charge 10; 1 Dec: wait",
        "bills 10=10 10=20",
    ),
    (
        "small charges reach it as a large one does",
        "plan basic 100 billed 1 limit 20; charge 105; charge 5; charge 5; charge 5; charge 5",
        "billed 20; owed 5",
    ),
    ("no overage, no bill", "plan basic 100 billed 1; charge 100; 1 Dec: wait", "bills ; billed 0"),
]


@pytest.mark.parametrize(("name", "story", "outcome"), OVERAGE)
def test_overage(name: str, story: str, outcome: str) -> None:
    """Each row is a rule, a story and its outcome."""
    assert Story(story).tell(outcome) == outcome

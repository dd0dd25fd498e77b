"""The ledger's worked examples: given what happened to an account, this is what it shows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import ledger_examples
from tests.unit.ledger_examples.adapter import Ledger, OracleLedger
from tests.unit.ledger_examples.outcomes import normal, shown
from tests.unit.ledger_examples.rules_ledger import RulesLedger
from tests.unit.ledger_examples.steps import Story
from tests.unit.ledger_examples.words import Example, read_tables

EXAMPLES = read_tables(Path(ledger_examples.__file__).parent)
LEDGERS: dict[str, Callable[[], Ledger]] = {"oracle": OracleLedger, "rules": RulesLedger}


@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_a_ledger_shows_the_outcome_of_every_example(example: Example, name: str) -> None:
    """Each row is a story, its steps and its outcome."""
    ledger = LEDGERS[name]()
    story = Story(ledger)
    for step in example.steps:
        story.tell(step)
    ledger.check()
    assert [shown(story, outcome) for outcome in example.outcomes] == [normal(outcome) for outcome in example.outcomes]


def test_there_are_enough_examples_and_none_is_told_twice() -> None:
    """At least 80, each with a story of its own."""
    assert len(EXAMPLES) >= 80
    assert len({example.story for example in EXAMPLES}) == len(EXAMPLES)

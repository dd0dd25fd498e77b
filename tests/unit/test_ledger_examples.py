"""The ledger's worked examples: given what happened to an account, this is what it shows."""

from pathlib import Path

import pytest

from tests.simulation.ledger_oracle import check_chain
from tests.unit import ledger_examples
from tests.unit.ledger_examples.adapter import OracleLedger
from tests.unit.ledger_examples.outcomes import normal, shown
from tests.unit.ledger_examples.steps import Story
from tests.unit.ledger_examples.words import Example, read_tables

EXAMPLES = read_tables(Path(ledger_examples.__file__).parent)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_the_oracle_shows_the_outcome_of_every_example(example: Example) -> None:
    """Each row is a story, its steps and its outcome; the oracle checks its equations at every posting."""
    ledger = OracleLedger()
    story = Story(ledger)
    for step in example.steps:
        story.tell(step)
    for account in ledger.oracle.accounts.values():
        check_chain(account)
    assert [shown(story, outcome) for outcome in example.outcomes] == [normal(outcome) for outcome in example.outcomes]


def test_there_are_enough_examples_and_none_is_told_twice() -> None:
    """At least 80, each with a story of its own."""
    assert len(EXAMPLES) >= 80
    assert len({example.story for example in EXAMPLES}) == len(EXAMPLES)

"""The oracle's commands are those of the published schema: neither knows the other's code."""

import json
from typing import Any

import msgspec
import pytest

from schemas.codec import decode_command
from schemas.command_check import problems
from schemas.examples import examples
from tests.simulation.ledger_oracle.records import Command, Record, Reprice
from tests.simulation.ledger_oracle.wire_reading import read_command
from tests.simulation.ledger_oracle.wire_writing import write_command
from tests.unit.ledger_examples.adapter import OracleLedger
from tests.unit.ledger_examples.steps import Story
from tests.unit.ledger_examples.words import Example
from tests.unit.test_ledger_examples import EXAMPLES


class Recorder(OracleLedger):
    """The oracle, and what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[tuple[Command, str]] = []

    def apply(self, record: Record) -> str:
        """Books it, and keeps commands with their answers."""
        answer = super().apply(record)
        if isinstance(record.body, Command):
            self.commands.append((record.body, answer))
        return answer


@pytest.mark.parametrize("example", examples("command"), ids=lambda example: example["data"]["kind"])
def test_the_oracle_reads_the_published_example_of_every_kind(example: dict[str, Any]) -> None:
    """And writes it as a command that the schema reads as the same."""
    account, command = read_command(json.dumps(example).encode(), repriced_cost=5)
    told = decode_command(json.dumps(example).encode())
    written = decode_command(write_command(account, command))
    assert (written.id, written.source, written.subject, written.time) == (
        told.id,
        told.source,
        told.subject,
        told.time,
    )
    assert _without_reason(written.data) == _without_reason(told.data)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_every_command_of_the_worked_examples_can_be_sent(example: Example) -> None:
    """It is read back as it was; schema and check find a problem only where the ledger refuses it too."""
    ledger = Recorder()
    story = Story(ledger)
    for step in example.steps:
        story.tell(step)
    for command, answer in ledger.commands:
        cost = command.content.cost if isinstance(command.content, Reprice) else None
        value = write_command("acme", command)
        assert read_command(value, repriced_cost=cost) == ("acme", command)
        found = _problems(value)
        assert not found or answer not in ("booked", "dropped"), found


def _problems(value: bytes) -> list[str]:
    """What the schema or the check of commands finds."""
    try:
        return problems(decode_command(value))
    except msgspec.ValidationError as error:
        return [str(error)]


def _without_reason(data: Any) -> dict[str, Any]:
    """What a reason says is for readers of the ledger: the oracle does not keep it but where a person must give it."""
    return {name: getattr(data, name) for name in data.__struct_fields__ if name != "reason"}

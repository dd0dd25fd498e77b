"""A table's changed rows go to its changelog once a checkpoint, and come back from it."""

from schemas.codec import decode_balance
from schemas.identifiers import Account
from stream.engine.outbox import Record
from stream.engine.tables import Table
from stream.rules import burndown
from stream.rules.commands import Remembered
from stream.tables import commands_table
from tests.unit.booking_scene import NOON_MS, TOPICS, Scene, new_pipeline, usage, usage_record


def test_a_row_that_changed_often_is_written_once() -> None:
    """As it is when the checkpoint is prepared, with that checkpoint's version."""
    scene = Scene()
    scene.book(usage_record(usage()), usage_record(usage(e_id="2"), offset=1))
    version = scene.partition.next_version
    records = scene.checkpoint()
    rows = [(key, decode_balance(row or b"")) for topic, key, row in records if topic == TOPICS.balances_changelog]
    assert [(key, row.events, row.version) for key, row in rows] == [(b"acme", 2, version)]


def test_a_row_that_did_not_change_is_not_written() -> None:
    """Neither is anything else when nothing came."""
    scene = Scene()
    scene.book(usage_record(usage()))
    scene.checkpoint()
    assert scene.checkpoint() == []


def test_a_restored_row_is_the_row_that_was_written_and_counts_as_unchanged() -> None:
    """Its version tells the take-over how far the changelog is."""
    balances = new_pipeline().balances
    written = burndown.open_by_usage(Account("acme"), NOON_MS)
    written.version = 9
    balances["acme"] = written
    balances.changed.append(written)
    ((changelog, key, value),) = balances.drain()
    assert (changelog, key) == (TOPICS.balances_changelog, b"acme")
    again = new_pipeline().balances
    assert again.restore(b"acme", value) == 9
    assert again == {"acme": written}
    assert again.drain() == []


def test_a_removed_row_is_gone_for_the_next_owner_and_may_come_again() -> None:
    """Removed and set again between two checkpoints, it is there: in the changelog its removal comes first."""
    commands = commands_table(TOPICS)
    for at_ms in (1, 2):
        row = commands[b"k"] = Remembered(b"k", b"content", at_ms)
        commands.changed.append(row)
        if at_ms == 1:
            written = commands.drain()
            commands.remove(b"k")
    written += commands.drain()
    commands.remove(b"k")
    written_at_last = written + commands.drain()
    assert restored(written) == {b"k": row}
    assert restored(written_at_last) == {}


def restored(records: list[Record]) -> Table[bytes, Remembered]:
    """The table as its changelog has it."""
    commands = commands_table(TOPICS)
    for _, key, value in records:
        assert key is not None
        commands.restore(key, value)
    return commands

"""A table's changed rows go to its changelog once a checkpoint, and come back from it."""

import msgspec

from schemas.account import account_of
from stream.engine.outbox import Record
from stream.engine.tables import Table
from stream.rules.commands import Remembered
from stream.tables import commands_table
from tests.unit.booking_scene import CREDIT, TOPICS, Scene, command_record, grant, new_pipeline, usage, usage_record


def test_a_row_that_changed_often_is_written_once() -> None:
    """As it is when the checkpoint is prepared, with that checkpoint's version."""
    scene = Scene()
    scene.book(usage_record(usage()), usage_record(usage(e_id="2"), offset=1))
    version = scene.partition.next_version
    records = scene.checkpoint()
    rows = [(key, account_of(row or b"")) for topic, key, row in records if topic == TOPICS.balances_changelog]
    assert [(key, row.events, row.version) for key, row in rows] == [(b"acme", 2, version)]


def test_a_row_that_did_not_change_is_not_written() -> None:
    """Neither is anything else when nothing came."""
    scene = Scene()
    scene.book(usage_record(usage()))
    scene.checkpoint()
    assert scene.checkpoint() == []


def test_a_restored_account_is_the_one_that_was_written_and_counts_as_unchanged() -> None:
    """Its version tells the take-over how far the changelog is; it goes on from where its first lot was."""
    scene = Scene()
    scene.book(command_record(grant()), usage_record(usage()))
    version = scene.partition.next_version
    ((key, value),) = [(key, row) for topic, key, row in scene.checkpoint() if topic == TOPICS.balances_changelog]
    assert key == b"acme"
    again = new_pipeline()
    accounts, lots, *_ = again.tables
    assert accounts.restore(key, value) == version
    accounts.finish_restore()
    assert (accounts.drain(), lots.drain()) == ([], [])
    book = again.ledger.book("acme")
    assert book is not None
    assert book.row == scene.account()
    assert [lot.held for lot in book.open] == [98 * CREDIT]


def test_a_lot_has_a_row_of_its_own_while_others_burn_first() -> None:
    """The one that burns travels in its account's row; every lot comes back, whichever row it was in."""
    scene = Scene()
    scene.book(command_record(grant()), command_record(grant(grant="g2", e_id="2", priority=1), offset=1))
    assert lots_in(scene.checkpoint()) == ["g1"]
    scene.book(usage_record(usage(quantity=51)))
    assert lots_in(scene.checkpoint()) == ["g2"]
    before = scene.lots()
    scene.take_over()
    assert scene.lots() == before
    assert {lot.id: lot.held for lot in before} == {"g1": 98 * CREDIT, "g2": 0}


def test_a_lot_that_its_accounts_row_has_no_room_for_is_charged_in_its_own() -> None:
    """With the longest names that there may be; the next owner finds what was in memory."""
    longest = "\U0001f600" * 256
    scene = Scene()
    scene.book(usage_record(usage(e_subject=longest, quantity=1), key=longest.encode()))
    scene.book(command_record(grant(e_subject=longest), key=longest.encode()))
    scene.checkpoint()
    scene.book(usage_record(usage(e_subject=longest, e_id="2"), offset=1, key=longest.encode()))
    scene.checkpoint()
    row, lots = scene.account(longest), scene.lots(longest)
    scene.take_over()
    assert (scene.account(longest).owed, row.owed) == (0, 0)
    assert [lot.held for lot in scene.lots(longest)] == [lot.held for lot in lots] == [496 * CREDIT, 100 * CREDIT]


def lots_in(records: list[Record]) -> list[str]:
    """The lots that have rows of their own among these."""
    return [
        msgspec.json.decode(key or b"", type=tuple[str, str])[1]
        for topic, key, _ in records
        if topic == TOPICS.lots_changelog
    ]


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

"""A table's changed rows go to its changelog once a checkpoint, and come back from it."""

from schemas.codec import decode_balance
from schemas.identifiers import Account
from stream.rules import burndown
from tests.unit.booking_scene import NOON_MS, TOPICS, Scene, new_pipeline, usage, usage_record


def test_a_row_that_changed_often_is_written_once() -> None:
    """As it is when the checkpoint is prepared, with that checkpoint's version."""
    scene = Scene()
    scene.book(usage_record(usage()), usage_record(usage(e_id="2"), offset=1))
    version = scene.partition.next_version
    rows = [(key, decode_balance(row)) for topic, key, row in scene.checkpoint() if topic == TOPICS.balances_changelog]
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
    restored = new_pipeline().balances
    assert restored.restore(key, value) == 9
    assert (changelog, key, restored) == (TOPICS.balances_changelog, b"acme", {"acme": written})
    assert restored.drain() == []

"""Faust waits for nothing that is not there."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from stream.faust_parts import NoTables, PromptWorker


def test_no_tables_are_waited_for() -> None:
    """Their manager goes on to the group at once: it does not sleep, which this stand-in could not."""
    steps: list[str] = []

    async def update_channels() -> None:
        steps.append("channels")

    async def start() -> None:
        steps.append("recovery")

    manager = SimpleNamespace(_update_channels=update_channels, recovery=SimpleNamespace(start=start))
    asyncio.run(NoTables.on_start(cast("NoTables", manager)))
    assert steps == ["channels", "recovery"]


def test_a_worker_that_has_stopped_ends_without_a_pause() -> None:
    """The last task of the loop is through at its first step."""
    last = PromptWorker._sentinel_task(cast("PromptWorker", None))
    with pytest.raises(StopIteration):
        last.send(None)

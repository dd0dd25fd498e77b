"""How a producer is fenced in: connected first, and only while the partition is ours."""

from collections.abc import Callable
from typing import Any

import pytest

from stream.engine import checkpoint
from stream.engine.checkpoint import CheckpointWriter, Ownership


class Calls:
    """A producer that notes what is asked of it."""

    made: list[str]

    def __init__(self, _: Any) -> None:
        Calls.made = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: Calls.made.append(name)


def writer(ownership: Ownership) -> CheckpointWriter:
    """Of partition 3."""
    return CheckpointWriter({}, "app-3", 3, "progress", lambda _: None, lambda: ownership)


def test_a_producer_is_connected_for_good_before_it_asks_for_its_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over its first connection, which it closes, librdkafka would ask in vain, and again half a second later."""
    monkeypatch.setattr(checkpoint, "Producer", Calls)
    assert writer(Ownership.OURS).fence()
    assert Calls.made == ["list_topics", "list_topics", "init_transactions"]


def test_nobody_is_fenced_for_a_partition_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """init_transactions is last-caller-wins: a stale owner would fence the new one."""
    monkeypatch.setattr(checkpoint, "Producer", Calls)
    Calls.made = []
    assert not writer(Ownership.GONE).fence()
    assert Calls.made == []

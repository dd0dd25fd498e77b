"""How a producer is fenced in: connected first, and only while the partition is ours."""

import math
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream.engine import checkpoint
from stream.engine.checkpoint import CheckpointWriter, Outcome, Ownership
from stream.engine.partition import Checkpoint
from stream.engine.progress import Progress


class Calls:
    """A producer that notes what is asked of it."""

    made: list[str]

    def __init__(self, _: Any) -> None:
        Calls.made = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: Calls.made.append(name)


def writer(ownership: Ownership) -> CheckpointWriter:
    """Of partition 3."""
    return CheckpointWriter({}, "app-3", 3, "progress", lambda _: None, lambda _: ownership)


def test_a_producer_is_connected_for_good_before_it_asks_for_its_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over its first connection, which it closes, librdkafka would ask in vain, and again half a second later."""
    monkeypatch.setattr(checkpoint, "Producer", Calls)
    assert writer(Ownership.OURS).fence()
    assert Calls.made == ["list_topics", "list_topics", "init_transactions"]


def test_who_was_fenced_fences_back_only_once_the_group_has_answered_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else two workers would fence each other until the first one's next heartbeat, and both would give up."""
    asked: list[float] = []

    def ownership(since: float) -> Ownership:
        asked.append(since)
        return Ownership.OURS if len(asked) == 1 else Ownership.GONE

    class Fenced(Calls):
        def begin_transaction(self) -> None:
            raise KafkaException(KafkaError(KafkaError._FENCED))

    monkeypatch.setattr(checkpoint, "Producer", Fenced)
    made = CheckpointWriter({}, "app-3", 3, "progress", lambda _: None, ownership)
    assert made.fence()
    began = time.monotonic()
    progress = Progress(1, 1, {})
    assert made.write(Checkpoint([], progress, progress, None)) is Outcome.LOST
    assert asked[0] == -math.inf
    assert began <= asked[1] <= time.monotonic()


def test_nobody_is_fenced_for_a_partition_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """init_transactions is last-caller-wins: a stale owner would fence the new one."""
    monkeypatch.setattr(checkpoint, "Producer", Calls)
    Calls.made = []
    assert not writer(Ownership.GONE).fence()
    assert Calls.made == []

"""Partitions take their turns one after the other, and none of them waits for longer than the interval."""

from types import SimpleNamespace

import pytest

from stream.engine import turns
from stream.engine.turns import take_turns

INTERVAL_SECONDS = 0.2


class Clock:
    """Goes on when somebody sleeps, and when a turn takes its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.turns: list[tuple[float, int]] = []
        monkeypatch.setattr(turns, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(turns, "asyncio", SimpleNamespace(sleep=self.sleep))

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def take(self, numbers: list[int], turn_seconds: float = 0.0) -> list[tuple[float, int]]:
        """When each partition had its turn."""

        def turn(number: int) -> None:
            self.turns.append((round(self.now, 6), number))
            self.now += turn_seconds

        story = take_turns(numbers, INTERVAL_SECONDS, turn)
        with pytest.raises(StopIteration):
            story.send(None)
        return self.turns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_turns_are_spread_over_the_interval(clock: Clock) -> None:
    assert clock.take([3, 0, 5, 1]) == [(0.05, 3), (0.1, 0), (0.15, 5), (0.2, 1)]


def test_turns_that_take_long_follow_each_other_at_once(clock: Clock) -> None:
    assert clock.take([0, 1, 2, 3], turn_seconds=0.1) == [(0.05, 0), (0.15, 1), (0.25, 2), (0.35, 3)]


def test_a_worker_without_partitions_waits_for_the_interval(clock: Clock) -> None:
    assert clock.take([]) == []
    assert clock.now == INTERVAL_SECONDS

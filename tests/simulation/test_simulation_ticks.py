"""Whatever stalls, dies or moves: a clock that goes on without records never passes one that is still unread."""

import logging
from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

import pytest

from stream.engine import ticks
from stream.engine.broker_clock import BrokerClock
from stream.engine.lane import Lane, Run, Tick
from stream.pipeline import Pipeline
from tests.simulation.sim_schedule import run

SEEDS = range(1, 41)
MOST_SCHEDULES = 300
STANDING_SEEDS = (115, 136, 169)
"""Those that have shown it; should they no longer, others may."""


class Ticking:
    """Every partition ticks as often as it may; `passed` are the records that were older than a tick before them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ticks = 0
        self.passed: list[tuple[int, int]] = []
        self._ticked: WeakKeyDictionary[Pipeline, int] = WeakKeyDictionary()
        monkeypatch.setattr(Pipeline, "due_ms", 0)
        # Here what is appended is readable at once: no mistake is forgiven.
        monkeypatch.setattr(ticks, "BEHIND_MS", 0)
        self._apply = Pipeline.apply
        monkeypatch.setattr(Pipeline, "apply", lambda *arguments: self._noted(*arguments))

    def _noted(self, pipeline: Pipeline, runs: Sequence[Run], version: int, clock_ms: int, now_ms: int) -> int:
        if not runs:
            self.ticks += 1
            self._ticked[pipeline] = clock_ms
        ticked_ms = self._ticked.get(pipeline, 0)
        appended = (record.timestamp()[1] for _, records in runs for record in records)
        self.passed += [(at_ms, ticked_ms) for at_ms in appended if at_ms < ticked_ms]
        return self._apply(pipeline, runs, version, clock_ms, now_ms)


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ticking]:
    """The engine tells of every fault it meets, which are thousands."""
    logger = logging.getLogger("stream")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield Ticking(monkeypatch)
    logger.setLevel(before)


def test_no_record_is_older_than_a_tick_before_it(ticking: Ticking) -> None:
    """Engine rule 16; and what is booked is what it is without ticks."""
    assert not [problem for seed in SEEDS for problem in run(seed).problems]
    assert ticking.ticks > len(SEEDS)
    assert ticking.passed == []


def test_a_worker_whose_clock_alone_is_believed_is_found(ticking: Ticking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 16: it was set to another time."""
    monkeypatch.setattr(BrokerClock, "no_later", lambda _, clock_ms, __: clock_ms)
    assert any(run(seed) and ticking.passed for seed in range(1, MOST_SCHEDULES))


def test_ends_that_nobody_asked_for_are_found(ticking: Ticking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 16: a worker that stood still does not know what came meanwhile."""

    def expect(lane: Lane, tick: Tick) -> None:
        lane._tick = Tick(tick.clock_ms, (0, 0))

    monkeypatch.setattr(Lane, "expect", expect)
    assert any(run(seed) and ticking.passed for seed in (*STANDING_SEEDS, *range(1, MOST_SCHEDULES)))

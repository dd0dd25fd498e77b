"""What waits for an open transaction upstream is told apart from what waits for us."""

import logging
from types import SimpleNamespace
from typing import cast

import pytest

from stream.engine.holding import Holding
from stream.engine.lag import HELD_BACK_SECONDS, held_back_by, note_waiting
from stream.engine.lane import FEW, MANY
from stream.engine.reader import InputEnds, Reader
from tests.unit.booking_scene import INPUTS, Scene, usage, usage_record

ALL_READ = (1, 0)


def holding_of(scene: Scene) -> Holding:
    """Partition 0, running."""
    holding = Holding(0)
    holding.partition = scene.partition
    return holding


def booked_scene(*, durable: bool = True) -> Scene:
    """One usage event is booked, and written to Kafka or not yet."""
    scene = Scene()
    scene.book(usage_record(usage(), offset=0))
    if durable:
        scene.checkpoint()
    return scene


def reader(lacking: int | None, stable: int, high: int, position: tuple[int, int] = ALL_READ) -> Reader:
    """Whose lane has records of one input and lacks the other, which ends there; 4 records of usage wait."""
    lane = SimpleNamespace(lacking=lacking, position=position, caught_up=False)
    ends = {(INPUTS[MANY], 0): InputEnds(5, 5), (INPUTS[FEW], 0): InputEnds(0, 0)}
    if lacking is not None:
        ends[INPUTS[lacking], 0] = InputEnds(stable, high)
    return cast("Reader", SimpleNamespace(lane=lambda _: lane, inputs=INPUTS, ends=ends))


@pytest.mark.parametrize(
    ("lacking", "stable", "high", "position", "durable", "held"),
    [
        (FEW, 3, 5, ALL_READ, True, INPUTS[FEW]),
        (MANY, 3, 5, ALL_READ, True, INPUTS[MANY]),
        (FEW, 5, 5, ALL_READ, True, None),
        (FEW, -1, 5, ALL_READ, True, None),
        (None, 3, 5, ALL_READ, True, None),
        (FEW, 3, 5, (4, 0), True, None),
        (FEW, 3, 5, ALL_READ, False, None),
    ],
)
def test_a_partition_is_held_back_when_nothing_else_is_left_to_do(
    lacking: int | None, stable: int, high: int, position: tuple[int, int], durable: bool, held: str | None
) -> None:
    """Engine rule 10: each row is the input that lacks, its ends, how far batches went, and what of that is written."""
    scene = booked_scene(durable=durable)
    assert held_back_by(holding_of(scene), reader(lacking, stable, high, position)) == held


def test_what_is_held_back_does_not_wait_for_us() -> None:
    """Engine rule 1: a restart would not help, so the 30 s begin when the transaction is over."""
    holding = holding_of(booked_scene())
    note_waiting(holding, reader(FEW, 3, 5), 100.0)
    assert holding.waiting_since is None
    note_waiting(holding, reader(FEW, 5, 5), 200.0)
    assert holding.waiting_since == 200.0
    note_waiting(holding, reader(FEW, 5, 5), 210.0)
    assert holding.waiting_since == 200.0
    note_waiting(holding, reader(FEW, 5, 7), 220.0)
    assert holding.waiting_since is None


def test_a_partition_that_is_held_back_for_long_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """With its number, the input, and what to do; and again when another transaction holds it back."""
    holding = holding_of(booked_scene())
    with caplog.at_level(logging.WARNING):
        for now in (0.0, HELD_BACK_SECONDS, HELD_BACK_SECONDS + 1, HELD_BACK_SECONDS + 100):
            note_waiting(holding, reader(FEW, 3, 5), now)
        assert len(caplog.records) == 1
        assert f"partition 0: booking waits for an open transaction in {INPUTS[FEW]}" in caplog.text
        note_waiting(holding, reader(None, 0, 0), 200.0)
        for now in (300.0, 311.0):
            note_waiting(holding, reader(FEW, 3, 5), now)
    assert len(caplog.records) == 2

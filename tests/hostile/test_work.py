"""No record takes much more work than another of its size, whatever is in it."""

import gc
import json
import time
import tracemalloc
from collections.abc import Callable

import pytest

from schemas.codec import decode_rate_card
from schemas.usage import LARGEST_EVENT_BYTES
from sinks.feeds import feeds
from sinks.records import Place, Record
from stream.rules.commands import read_command
from stream.rules.rate_cards import RateCards
from stream.rules.usage import read_usage
from tests.hostile.recipes import RECIPES, Recipe
from tests.unit.booking_scene import TOPICS, usage

MOST_TIMES_THE_WORK = 50
"""As a mebibyte of good events in one list. What grows with the square takes some thousand times as much."""
MOST_BYTES_FOR_A_BYTE = 200
"""An object of names of six characters takes about a hundred."""


def _good_events() -> bytes:
    one = json.dumps(usage()).encode()
    return b"[" + b",".join([one] * (LARGEST_EVENT_BYTES // (len(one) + 1))) + b"]"


def _cpu_seconds(work: Callable[[], object]) -> float:
    """Of the quickest of three: others run on this machine too, and CPU time does not count while it stands still.

    Without looking for garbage, which the worker does rarely: it takes as long as all that other tests left is large.
    """
    seconds = []
    gc.disable()
    try:
        for _ in range(3):
            began = time.process_time()
            work()
            seconds.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(seconds)


def _rate_card(value: bytes) -> object:
    try:
        return RateCards().with_card(decode_rate_card(value))
    except ValueError as error:
        return error


def _fed(topic: str) -> Callable[[bytes], object]:
    def read(value: bytes) -> object:
        try:
            return feeds(TOPICS)[topic].rows_of(Record(Place(topic, 0), 0, 0, b"acme", value))
        except Exception as error:
            return error

    return read


READERS: dict[str, Callable[[bytes], object]] = {
    "usage": lambda value: read_usage(value, b"acme"),
    "command": lambda value: read_command(value, b"acme"),
    "rate-card": _rate_card,
    "charges": _fed(TOPICS.charges),
    "rollups": _fed(TOPICS.rollups),
    "ledger": _fed(TOPICS.ledger),
    "alerts": _fed(TOPICS.alerts),
    "dead-letters": _fed(TOPICS.dead_letters),
}

each_recipe = pytest.mark.parametrize("recipe", [pytest.param(each, id=f"{each.kind}-{each.name}") for each in RECIPES])


@each_recipe
def test_reading_takes_no_more_than_some_times_the_work_of_good_events(recipe: Recipe) -> None:
    """The standard library reads the good ones, so that nothing of ours is both the measure and the measured."""
    good, value = _good_events(), recipe.make()
    measure = _cpu_seconds(lambda: json.loads(good))
    assert _cpu_seconds(lambda: READERS[recipe.kind](value)) < MOST_TIMES_THE_WORK * measure


@each_recipe
def test_reading_takes_memory_in_proportion_to_the_record(recipe: Recipe) -> None:
    """No length that a record claims is believed before its bytes are there."""
    value = recipe.make()
    tracemalloc.start()
    try:
        READERS[recipe.kind](value)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES_FOR_A_BYTE * max(len(value), 4096)

"""Whatever dies, stalls or moves: a batch is booked with all that its partition wrote, and not with less."""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from weakref import WeakKeyDictionary

import pytest
from confluent_kafka import Message

from schemas.codec import decode_charges
from stream.engine import look_ups
from stream.engine.lane import FEW, MANY, Run
from stream.engine.log_ends import LogEnds
from stream.engine.outbox import Record
from stream.engine.partition import Partition
from stream.engine.processor import LookUp
from stream.engine.reading_back import read_back
from stream.pipeline import Pipeline
from tests.simulation import fake_kafka
from tests.simulation.sim_schedule import _NAMES, run

SEEDS = range(1, 41)
MOST_SCHEDULES = 300
HASTY_SEEDS = (143, 293)
"""Those that have shown it; should they no longer, others may."""
_STRIDE = 7


class ChargeLookUp:
    """Looks for the charge of a usage event."""

    topic = _NAMES.charges

    def __init__(self, partition: int, place: int) -> None:
        self.partition = partition
        self.place = place
        self.found: list[int] = []

    def places(self, value: bytes) -> tuple[int, int] | None:
        charges = decode_charges(value).charges
        return charges[0].offset, charges[-1].offset

    def take(self, values: Sequence[bytes]) -> None:
        self.found = [offset for value in values for offset in _offsets(value) if offset == self.place]

    @property
    def written(self) -> list[int]:
        """What the log holds of it, and nobody deleted."""
        (cluster,) = fake_kafka._clusters.values()
        values = [each.value for each in cluster.log(self.topic, self.partition).history() if not each.gone]
        return [offset for value in values if value for offset in _offsets(value) if offset == self.place]


def _places(command: Message, booked: int) -> tuple[int, int]:
    """Usage that a command asks for: something, and something that was booked lately."""
    offset = command.offset() or 0
    return offset * _STRIDE % (booked + 2), max(0, booked - 1 - offset % 5)


def _offsets(value: bytes) -> list[int]:
    return [charge.offset for charge in decode_charges(value).charges]


class Asking:
    """Every command asks for charges before it; `lacking` are those that were drained, and it was booked without.

    A pipeline holds what is not drained yet, and asks for anything else.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found = 0
        self.lacking: list[int] = []
        self._booked: WeakKeyDictionary[Pipeline, int] = WeakKeyDictionary()
        self._drained: WeakKeyDictionary[Pipeline, int] = WeakKeyDictionary()
        self._answers: WeakKeyDictionary[Pipeline, list[ChargeLookUp]] = WeakKeyDictionary()
        self._real = {name: getattr(Pipeline, name) for name in ("look_ups", "answer", "apply", "drain")}
        for name in self._real:
            monkeypatch.setattr(Pipeline, name, self._method(name))

    def _method(self, name: str) -> object:
        replaced = getattr(self, f"_{name}")
        return lambda *arguments: replaced(*arguments)

    def _look_ups(self, pipeline: Pipeline, runs: Sequence[Run]) -> list[LookUp]:
        return [*self._real["look_ups"](pipeline, runs), *self._wanted(pipeline, runs)]

    def _wanted(self, pipeline: Pipeline, runs: Sequence[Run]) -> list[ChargeLookUp]:
        asked = [record for which, records in runs if which == FEW for record in records]
        booked = self._booked.get(pipeline, 0)
        wanted = [ChargeLookUp(each.partition() or 0, place) for each in asked for place in _places(each, booked)]
        # What is drained is asked for, and all of it after a take-over.
        drained = self._drained.get(pipeline, booked + 2)
        return [each for each in wanted if each.place < drained]

    def _answer(self, pipeline: Pipeline, found: Sequence[LookUp]) -> None:
        mine = [each for each in found if isinstance(each, ChargeLookUp)]
        self._answers[pipeline] = mine
        self.found += sum(len(each.found) for each in mine)
        self._real["answer"](pipeline, [each for each in found if each not in mine])

    def _apply(self, pipeline: Pipeline, runs: Sequence[Run], version: int, clock_ms: int, now_ms: int) -> int:
        answers = {each.place: each.found for each in self._answers.pop(pipeline, [])}
        for each in self._wanted(pipeline, runs):
            if each.place not in answers or (each.written and each.written != answers[each.place]):
                self.lacking.append(each.place)
        # A pipeline lets go of records as it books them.
        last = [(records[-1].offset() or 0) + 1 for which, records in runs if which == MANY]
        clock_ms = self._real["apply"](pipeline, runs, version, clock_ms, now_ms)
        self._booked[pipeline] = max([self._booked.get(pipeline, 0), *last])
        return int(clock_ms)

    def _drain(self, pipeline: Pipeline, version: int, booked_at_ms: int) -> list[Record]:
        if pipeline in self._booked:
            self._drained[pipeline] = self._booked[pipeline]
        records: list[Record] = self._real["drain"](pipeline, version, booked_at_ms)
        return records


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asking]:
    """The engine tells of every fault it meets, which are thousands."""
    logger = logging.getLogger("stream")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield Asking(monkeypatch)
    logger.setLevel(before)


def test_no_batch_is_booked_without_what_was_written(asking: Asking) -> None:
    """Engine rule 17; and what is booked is what it is without asking."""
    assert not [problem for seed in SEEDS for problem in run(seed).problems]
    assert asking.found > len(SEEDS)
    assert asking.lacking == []


def test_a_log_read_to_its_last_stable_offset_alone_is_found(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 17: what was committed this moment is behind it, until its markers are written."""

    def ended_early(
        config: Mapping[str, str | int | float | bool],
        ends: LogEnds,
        partition: int,
        wanted: Sequence[LookUp],
        cancelled: threading.Event,
    ) -> None:
        early = LogEnds(config)
        early._config["isolation.level"] = "read_committed"
        read_back(config, early, partition, wanted, cancelled)

    monkeypatch.setattr(look_ups, "read_back", ended_early)
    assert any(run(seed) and asking.lacking for seed in (*HASTY_SEEDS, *range(1, MOST_SCHEDULES)))


def test_a_processor_that_is_asked_once_is_found(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 17: while a batch waits, a checkpoint takes what the processor still held."""
    asked = Partition.look_ups
    monkeypatch.setattr(
        Partition,
        "look_ups",
        lambda partition, batch, epoch, found=(): () if found else asked(partition, batch, epoch),
    )
    assert any(run(seed) and asking.lacking for seed in range(1, MOST_SCHEDULES))

"""What is done to the workers, and how long the partitions pause for it."""

import time

from msgspec import Struct

from tests.benchmarks.takeover.crew import Crew

_QUIET_SECONDS = 3.0


class Pause(Struct, frozen=True):
    """One worker went away, and perhaps came back."""

    worker: str
    owned: list[int]
    """The partitions that it had."""
    seconds: float
    """From the signal until every one of them booked again."""
    stopped_seconds: float
    """Of these, until its process was gone."""
    pauses_seconds: dict[int, float]
    """The longest time without a checkpoint, by partition, the others' too."""
    moved: dict[int, str]
    """Partitions that another worker took over, and which."""
    claimed: list[int]
    """Partitions that were taken over, by whomever."""


def restart(crew: Crew, name: str) -> Pause:
    """Stop a worker in order, and start it again at once."""
    owned, before, began = crew.partitions_of(name), crew.owners(), time.monotonic()
    crew.workers[name].stop()
    stopped = time.monotonic()
    crew.start(name)
    # The last checkpoint of the old process is readable after the signal.
    booked = crew.wait_booking(stopped)
    return _pause(crew, name, owned, before, began, stopped, booked)


def kill(crew: Crew, name: str) -> Pause:
    """Kill a worker by `kill -9`; nobody starts it again."""
    owned, before = crew.partitions_of(name), crew.owners()
    began = time.monotonic()
    crew.killed.add(name)
    crew.workers[name].kill()
    stopped = time.monotonic()
    # What it committed right before is readable right after.
    booked = max(crew.wait_booking(stopped, [number], process=_next_owner(crew, number, stopped)) for number in owned)
    return _pause(crew, name, owned, before, began, stopped, booked)


def _next_owner(crew: Crew, partition: int, after: float) -> int:
    """The process that took the partition over after that moment, once one has."""

    def found() -> list[int]:
        return [each.process for each in list(crew.watch.claimed) if each.at > after and each.partition == partition]

    crew._wait(lambda: bool(found()), f"partition {partition} is taken over")
    return found()[0]


def _pause(
    crew: Crew, name: str, owned: list[int], before: dict[int, str], began: float, stopped: float, booked: float
) -> Pause:
    crew.settle(_QUIET_SECONDS)
    end = time.monotonic()
    claims = [each for each in list(crew.watch.claimed) if began < each.at < end]
    return Pause(
        worker=name,
        owned=owned,
        seconds=booked - began,
        stopped_seconds=stopped - began,
        pauses_seconds={number: crew.watch.longest_pause(number, began, end) for number in crew.watch.booked},
        moved={
            each.partition: crew.names[each.process]
            for each in claims
            if crew.names[each.process] != before[each.partition]
        },
        claimed=sorted({each.partition for each in claims}),
    )

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


def restart(crew: Crew, name: str, *, crash: bool = False) -> Pause:
    """Stop a worker in order, or by `kill -9`, and start it again at once."""
    return _without(crew, name, crash=crash, again=True)


def kill(crew: Crew, name: str) -> Pause:
    """Kill a worker by `kill -9`; nobody starts it again."""
    return _without(crew, name, crash=True, again=False)


def _without(crew: Crew, name: str, *, crash: bool, again: bool) -> Pause:
    owned, before, worker = crew.partitions_of(name), crew.owners(), crew.workers[name]
    gone, began = worker.pid, time.monotonic()
    if crash:
        crew.killed.add(name)
        worker.kill()
    else:
        worker.stop()
    stopped = time.monotonic()
    if again:
        crew.start(name)
    # What it committed last may be readable only now.
    booked = max(crew.wait_booking(stopped), crew.wait_booking(stopped, owned, gone))
    return _pause(crew, name, owned, before, began, stopped, booked)


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

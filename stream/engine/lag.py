"""How far a partition is behind its inputs."""

from msgspec import Struct

from stream.engine.holding import Holding
from stream.engine.reader import Reader


class Lag(Struct, frozen=True):
    """Of one input: records before its last stable offset that no checkpoint holds, and those after it."""

    topic: str
    waiting: int
    unstable: int


def lags(holding: Holding, reader: Reader) -> list[Lag]:
    """The lag of each input of a partition that is restored, as far as its end is known."""
    partition, lane = holding.partition, reader.lane(holding.number)
    if partition is None:
        return []
    # The last stable offset counts a marker after the last record: what is read to its end has no lag.
    read = lane is not None and lane.caught_up and lane.position == partition.position
    settled = read and partition.settled
    found = []
    for topic, offset in partition.durable.offsets.items():
        ends = reader.ends.get((topic, holding.number))
        if ends is not None and ends.stable >= 0:
            waiting = 0 if settled else max(0, ends.stable - offset)
            found.append(Lag(topic, waiting, max(0, ends.high - ends.stable)))
    return found


def note_waiting(holding: Holding, reader: Reader, now: float) -> None:
    """Keep since when input waits, in seconds of the monotonic clock."""
    if not any(lag.waiting for lag in lags(holding, reader)):
        holding.waiting_since = None
    elif holding.waiting_since is None:
        holding.waiting_since = now

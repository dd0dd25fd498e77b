"""How far a partition is behind its inputs, and whether that is for others to end."""

import logging
import math

from msgspec import Struct

from stream.engine.holding import Holding
from stream.engine.reader import Reader

logger = logging.getLogger(__name__)

HELD_BACK_SECONDS = 10.0
"""An open transaction that holds a partition back for longer is told in the log."""


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


def held_back_by(holding: Holding, reader: Reader) -> str | None:
    """The input whose open transaction all that waits has to wait for; None while anything else is left to do."""
    partition, lane = holding.partition, reader.lane(holding.number)
    if partition is None or lane is None or lane.position != partition.position or not partition.settled:
        return None
    lacking = lane.lacking
    if lacking is None:
        return None
    topic = reader.inputs[lacking]
    ends = reader.ends.get((topic, holding.number))
    return topic if ends is not None and ends.high > ends.stable >= 0 else None


def note_waiting(holding: Holding, reader: Reader, now: float) -> None:
    """Keep since when input waits, in seconds of the monotonic clock, and tell of what it waits for."""
    held_by = held_back_by(holding, reader)
    _note_held_back(holding, held_by, now)
    # What waits for a transaction upstream is right to: a restart would wait for it as well.
    if held_by is not None or not any(lag.waiting for lag in lags(holding, reader)):
        holding.waiting_since = None
    elif holding.waiting_since is None:
        holding.waiting_since = now


def _note_held_back(holding: Holding, held_by: str | None, now: float) -> None:
    if held_by is None:
        holding.held_back_since = None
    elif holding.held_back_since is None:
        holding.held_back_since = now
    elif now - holding.held_back_since > HELD_BACK_SECONDS:
        logger.warning(
            "partition %s: booking waits for an open transaction in %s, which may hold older records. It goes on when "
            "that is committed, aborted or timed out; kafka-transactions.sh find-hanging tells whose it is",
            holding.number,
            held_by,
        )
        # Once is enough.
        holding.held_back_since = math.inf

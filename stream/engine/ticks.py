"""Ticks: the clock of a partition goes on without records, once its inputs are known to be read to their ends.

1. the clock is read                 what the brokers append from now on is not older, less `BEHIND_MS`
2. the brokers are asked for ends    what was appended before is in front of these
3. the lane reads up to these        everything older than the clock is booked, or on its way before the tick

So a worker that stood still in between moves its clock too little, never too far.
"""

import asyncio
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import KafkaException

from stream.engine.holding import Holding
from stream.engine.lane import FEW, MANY, Offsets, Tick
from stream.engine.log_ends import LogEnds
from stream.engine.reader import Reader

logger = logging.getLogger(__name__)

BEHIND_MS = 2_000
"""How much the clock may be ahead of what a broker appends, or that be late to be readable."""
_ASK_AGAIN_SECONDS = 1.0
_THREADS = 4


class Ticks:
    """Has the partitions tick that have something to do by then. On the event loop, but for the questions."""

    def __init__(self, ends: LogEnds, reader: Reader) -> None:
        self._ends = ends
        self._reader = reader
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._asked_at: dict[int, float] = {}
        self._closed = False
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ends")

    def look_at(self, holding: Holding, now: float) -> None:
        """Begin a tick of a partition that has booked all it was given, if one is due; `now` is monotonic."""
        number, partition, lane = holding.number, holding.reading, self._reader.lane(holding.number)
        if self._closed or partition is None or lane is None or number in self._asking:
            return
        clock_ms = self._reader.broker_clock.no_later(time.time_ns() // 1_000_000, now) - BEHIND_MS
        if clock_ms < partition.next_tick_ms or now - self._asked_at.get(number, -math.inf) < _ASK_AGAIN_SECONDS:
            return
        if lane.caught_up and lane.position == partition.position:
            self._asked_at[number] = now
            self._asking[number] = asyncio.create_task(self._ask(number, lane.epoch, clock_ms))

    async def close(self) -> None:
        """Ask no more; a question that is under way ends by itself."""
        self._closed = True
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, number: int, epoch: int, clock_ms: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            tick = Tick(clock_ms, await loop.run_in_executor(self._threads, self._ends_of, number))
            await loop.run_in_executor(self._reader.thread, self._reader.expect, number, epoch, tick)
        except KafkaException as error:
            logger.warning("partition %s: its clock waits, as no broker tells where its inputs end: %s", number, error)
        finally:
            del self._asking[number]

    def _ends_of(self, partition: int) -> Offsets:
        many, few = (self._ends.of(self._reader.inputs[which], partition)[1] for which in (MANY, FEW))
        return many, few

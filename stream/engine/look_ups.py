"""Batches wait here for what their processor needs of its own outputs; those of other partitions go on.

What is booked is either in the processor, not drained yet; or in the checkpoint in flight, whose end is awaited before
anything is read; or readable. While a batch waits, a checkpoint may take what the processor still held: so it is asked
again right before the batch is booked, and what it lacks then is read as well.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import KafkaException

from stream.engine.holding import Holding
from stream.engine.lane import Batch
from stream.engine.log_ends import LogEnds
from stream.engine.parked import Parked
from stream.engine.partition import BrokenPartitionError, Partition
from stream.engine.processor import LookUp
from stream.engine.reading_back import CancelledReadingError, by_place, read_back

logger = logging.getLogger(__name__)

AT_ONCE = 100
_THREADS = 4
_PAUSE_SECONDS = 1.0


class LookUps:
    """Reads for parked batches, then has them booked. On the event loop, but for the reading."""

    def __init__(
        self,
        config: Mapping[str, str | int | float | bool],
        ends: LogEnds,
        epoch: Callable[[int], int],
        book: Callable[[Holding, Batch, Sequence[LookUp]], None],
        fail: Callable[[Holding, BaseException], None],
    ) -> None:
        self._config = config
        self._ends = ends
        self._epoch = epoch
        self._book = book
        self._fail = fail
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="look-up")

    def park(self, holding: Holding, partition: Partition, batch: Batch) -> None:
        """Keep a batch until everything was found that it needs, and whatever comes behind it."""
        parked = holding.parked = Parked(deque([batch]), threading.Event())
        task = asyncio.create_task(self._work_off(holding, partition, parked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Nothing waits any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _work_off(self, holding: Holding, partition: Partition, parked: Parked) -> None:
        try:
            while parked.batches and holding.parked is parked:
                batch = parked.batches.popleft()
                found = await self._find(holding, partition, parked, batch)
                if holding.parked is parked:
                    self._book(holding, batch, found)
                await asyncio.sleep(0)
        except CancelledReadingError:
            logger.info("partition %s: what was looked up is needed no more", holding.number)
        except Exception as error:
            # What the processor makes of a record concerns this partition alone.
            broken = error if isinstance(error, BrokenPartitionError) else BrokenPartitionError(repr(error))
            self._fail(holding, broken)
        finally:
            parked.cancelled.set()
            if holding.parked is parked:
                holding.parked = None

    async def _find(self, holding: Holding, partition: Partition, parked: Parked, batch: Batch) -> list[LookUp]:
        loop, found = asyncio.get_running_loop(), list[LookUp]()
        while wanted := partition.look_ups(batch, self._epoch(batch.partition), found):
            while holding.in_flight is not None:
                await asyncio.wait([holding.in_flight])
            if holding.parked is not parked:
                break
            some = sorted(wanted, key=by_place)[:AT_ONCE]
            try:
                await loop.run_in_executor(
                    self._threads, read_back, self._config, self._ends, holding.number, some, parked.cancelled
                )
            except (KafkaException, TimeoutError) as error:
                logger.warning("partition %s waits for what it wrote: %s", holding.number, error)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                found += some
                # Thousands of look-ups take their time, and none of it is standing still.
                holding.waiting_since = None
        return found

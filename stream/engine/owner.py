"""The partitions that this worker owns: given, taken over, running, revoked, kept, dropped."""

import asyncio
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from stream.engine.broadcast import Broadcast
from stream.engine.checkpoint import CheckpointWriter, Outcome, UnwritableCheckpointError
from stream.engine.config import EngineConfig
from stream.engine.holding import Holding, Phase
from stream.engine.lag import note_waiting
from stream.engine.lane import Batch
from stream.engine.log_cache import LogCache
from stream.engine.partition import Applied, BrokenPartitionError, Checkpoint, Partition
from stream.engine.processor import Processor
from stream.engine.progress import Progress, Topology
from stream.engine.reader import Reader
from stream.engine.recovery import CancelledTakeOverError, Recovery, RecoveryPlan, RefusedError, last_progress

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

REVOKE_SECONDS = 2.0
MOST_FAILURES = 3
VANISHED_SECONDS = 5.0
_THREADS = 16
_FAILURE_PAUSE_SECONDS = 1.0
_STOPPED_PAUSE_SECONDS = 0.1


class Owner:
    """Holds partitions as the group gives and takes them. Everything here runs on the event loop."""

    def __init__(
        self,
        config: EngineConfig,
        make_processor: Callable[[int], Processor],
        broadcast: Broadcast,
        topology: Topology,
        on_fatal: Callable[[BaseException], None],
        on_checkpoint: Callable[[int, float], None],
    ) -> None:
        self.holdings: dict[int, Holding] = {}
        self.reader = Reader(config.kafka, config.inputs, config.merge_grace_seconds)
        self.assigned = False
        self._stopped = False
        self._config = config
        self._make_processor = make_processor
        self._broadcast = broadcast
        self._topology = topology
        self._on_fatal = on_fatal
        self._on_checkpoint = on_checkpoint
        self._cache = LogCache(config.cache_folder)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="checkpoint")
        self._plan = RecoveryPlan(config.progress_topic, config.outputs, config.inputs, config.accept_new_state)

    # --- the group gives and takes -------------------------------------------------------------------------------

    def assign(self, numbers: Iterable[int]) -> None:
        """Note what is ours from now on and return: heartbeats start only after the group's callback returns."""
        mine = set(numbers)
        self.assigned = True
        for number in set(self.holdings) - mine:
            self._drop(self.holdings.pop(number))
        for number in mine:
            holding = self.holdings.get(number)
            if holding is not None and holding.phase is Phase.SUSPENDED and holding.partition is not None:
                holding.owned = True
                holding.task = asyncio.create_task(self._resume(holding))
            elif holding is None or not holding.owned:
                if holding is not None:
                    self._drop(holding)
                self._begin(number)

    async def revoke(self, numbers: Iterable[int]) -> None:
        """Stop reading, write one last checkpoint within 2 s, keep the state: it may come back."""
        taken = [self.holdings[number] for number in numbers if number in self.holdings]
        for holding in taken:
            holding.owned = False
            holding.cancelled.set()
        await asyncio.gather(*(self._suspend(holding) for holding in taken))

    async def stop(self) -> None:
        """Give everything up: last checkpoints, caches, threads."""
        self._stopped = True
        running = [each for each in self.holdings.values() if each.phase is Phase.RUNNING]
        starts = await asyncio.gather(*(self._log_ends(each) for each in running))
        await self.revoke(list(self.holdings))
        for holding, ends in zip(running, starts, strict=True):
            if holding.partition is not None and holding.in_flight is None and ends is not None:
                await self._in_thread(self._save_caches, holding.partition, ends)
        for holding in list(self.holdings.values()):
            self._drop(holding)
        self.holdings.clear()
        await asyncio.get_running_loop().run_in_executor(None, self.reader.close)
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- records come --------------------------------------------------------------------------------------------

    async def poll(self) -> list[Batch]:
        """The reader's next batches; raises what cannot be read around."""
        if self._stopped:
            await asyncio.sleep(_STOPPED_PAUSE_SECONDS)
            return []
        batches = await self._in_reader(self.reader.poll, self._booked_batches)
        for number, lost in list(self.reader.lost.items()):
            self._refuse(number, lost)
        return batches

    def apply(self, batch: Batch) -> None:
        """Book a batch, or have its partition read again from where it stands."""
        holding = self.holdings.get(batch.partition)
        if holding is None or holding.partition is None or holding.phase is not Phase.RUNNING or holding.seeking:
            return
        try:
            applied = holding.partition.apply(batch, self.reader.epoch(batch.partition))
        except BrokenPartitionError as error:
            self._fail(holding, error)
            return
        if applied is Applied.GAP:
            logger.warning("partition %s: a batch is missing, reading again from progress", batch.partition)
            self._seek_to_progress(holding)

    def _booked_batches(self, number: int) -> int | None:
        holding = self.holdings.get(number)
        if holding is None or holding.partition is None or holding.phase is not Phase.RUNNING or holding.seeking:
            return None
        return None if holding.partition.full else holding.partition.booked_batches

    def _seek_to_progress(self, holding: Holding) -> None:
        holding.seeking = True
        task = asyncio.create_task(self._seek(holding))
        holding.task = task

    async def _seek(self, holding: Holding) -> None:
        if holding.partition is not None:
            await self._in_reader(self.reader.seek, holding.number, holding.partition.position)
            holding.partition.booked_batches = 0
        holding.seeking = False

    # --- every checkpoint interval -------------------------------------------------------------------------------

    def tick(self) -> None:
        """Start the checkpoints that are due; look for batches that vanished on their way."""
        now = time.monotonic()
        for holding in self.holdings.values():
            if holding.phase is not Phase.RUNNING or holding.partition is None:
                continue
            if holding.in_flight is None:
                self._start_checkpoint(holding, empty=False)
            note_waiting(holding, self.reader, now)
            self._look_for_vanished(holding, now)

    def _look_for_vanished(self, holding: Holding, now: float) -> None:
        """Flow control may clear what Faust had queued: then nothing more would come, and no gap would show."""
        partition, lane = holding.partition, self.reader.lane(holding.number)
        if partition is None or lane is None or holding.seeking or partition.full:
            return
        under_way = lane.delivered - partition.booked_batches
        if under_way > 0 and now - max(lane.delivered_at, partition.last_booked_at) > VANISHED_SECONDS:
            logger.warning("partition %s: %s batches vanished, reading again", holding.number, under_way)
            self._seek_to_progress(holding)

    def _start_checkpoint(self, holding: Holding, *, empty: bool) -> asyncio.Task[None] | None:
        partition = holding.partition
        if partition is None:
            return None
        try:
            checkpoint = partition.prepare(empty=empty)
        except BrokenPartitionError as error:
            self._fail(holding, error)
            return None
        if checkpoint is None:
            return None
        holding.in_flight = asyncio.create_task(self._write(holding, partition, checkpoint))
        return holding.in_flight

    async def _write(self, holding: Holding, partition: Partition, checkpoint: Checkpoint) -> None:
        assert holding.writer is not None  # noqa: S101  set before the phase is RUNNING
        began = time.monotonic()
        try:
            outcome = await self._in_thread(holding.writer.write, checkpoint)
        except UnwritableCheckpointError as error:
            holding.in_flight = None
            self._refuse(holding.number, error)
            return
        except Exception as error:
            holding.in_flight = None
            self._fail(holding, error)
            return
        holding.in_flight = None
        if holding.partition is not partition:
            return
        if outcome is Outcome.COMMITTED:
            partition.committed(checkpoint)
            holding.failures = 0
            self._on_checkpoint(holding.number, time.monotonic() - began)
        elif holding.owned:
            logger.warning("partition %s: its checkpoint %s, taking it over again", holding.number, outcome.value)
            self._retake(holding)
        else:
            holding.partition = None

    # --- taking over ---------------------------------------------------------------------------------------------

    def _begin(self, number: int) -> None:
        holding = self.holdings[number] = Holding(number)
        holding.task = asyncio.create_task(self._take_over(holding))

    async def _take_over(self, holding: Holding) -> None:
        number = holding.number
        began = time.monotonic()
        try:
            await self._broadcast.caught_up()
            recovery = Recovery(
                self._config.kafka,
                self._plan,
                self._topology,
                self._cache,
                holding.cancelled,
                lambda count: self._count_restored(holding, count),
            )
            holding.writer = self._writer(holding)
            restored = await self._in_thread(recovery.run, holding.writer, self._make_processor(number))
            await self._broadcast.reached(restored.progress.broadcast_offset)
        except CancelledTakeOverError:
            return
        except RefusedError as error:
            self._refuse(number, error)
            return
        except Exception as error:
            self._fail(holding, error)
            return
        if not holding.owned:
            return
        partition = Partition(
            number,
            self._config.inputs,
            restored.processor,
            restored.progress,
            restored.topology,
            self._broadcast.value,
        )
        holding.partition = partition
        await self._in_reader(self.reader.start, number, partition.position)
        if holding.owned:
            holding.enter(Phase.RUNNING)
            seconds = time.monotonic() - began
            logger.info("partition %s taken over in %.2f s, %s records", number, seconds, restored.records)
        else:
            await self._in_reader(self.reader.stop, number)

    def _writer(self, holding: Holding) -> CheckpointWriter:
        config = self._config

        def read_progress(writer: CheckpointWriter) -> Progress | None:
            return last_progress(config.kafka, config.progress_topic, writer)

        return CheckpointWriter(
            config.kafka,
            f"{config.app}-{holding.number}",
            holding.number,
            config.progress_topic,
            read_progress,
            lambda: holding.owned and self.holdings.get(holding.number) is holding,
        )

    def _count_restored(self, holding: Holding, count: int) -> None:
        holding.restored_records += count

    async def _resume(self, holding: Holding) -> None:
        """What stayed goes on after an empty checkpoint proved that nobody fenced us meanwhile."""
        if holding.in_flight is not None:
            await asyncio.wait([holding.in_flight])
        partition = holding.partition
        if partition is None or partition.broken is not None:
            self._retake(holding)
            return
        holding.cancelled = threading.Event()
        writing = self._start_checkpoint(holding, empty=True)
        if writing is not None:
            await writing
        if holding.partition is not partition or not holding.owned or holding.phase is not Phase.SUSPENDED:
            return
        partition.booked_batches = 0
        await self._in_reader(self.reader.start, holding.number, partition.position)
        if holding.owned:
            holding.enter(Phase.RUNNING)
        else:
            await self._in_reader(self.reader.stop, holding.number)

    async def _suspend(self, holding: Holding) -> None:
        if holding.phase is not Phase.RUNNING:
            return
        holding.enter(Phase.SUSPENDED)
        await self._in_reader(self.reader.stop, holding.number)
        try:
            await asyncio.wait_for(asyncio.shield(self._last_checkpoint(holding)), REVOKE_SECONDS)
        except TimeoutError:
            logger.warning("partition %s: its last checkpoint takes longer than %s s", holding.number, REVOKE_SECONDS)

    async def _last_checkpoint(self, holding: Holding) -> None:
        if holding.in_flight is not None:
            await asyncio.wait([holding.in_flight])
        if holding.partition is not None and holding.partition.broken is None:
            writing = self._start_checkpoint(holding, empty=False)
            if writing is not None:
                await writing

    # --- failing -------------------------------------------------------------------------------------------------

    def _fail(self, holding: Holding, error: BaseException) -> None:
        """Drop a partition's memory and take it over again; after some times in a row the process ends."""
        holding.failures += 1
        holding.failure = str(error)
        holding.partition = None
        logger.error("partition %s failed (%s of %s): %s", holding.number, holding.failures, MOST_FAILURES, error)
        if not holding.owned:
            return
        if holding.failures >= MOST_FAILURES:
            holding.enter(Phase.FAILED)
            self._on_fatal(error)
            return
        self._retake(holding)

    def _retake(self, holding: Holding) -> None:
        holding.partition = None
        holding.cancelled = threading.Event()
        holding.enter(Phase.TAKING_OVER)
        holding.task = asyncio.create_task(self._take_over_after_pause(holding))

    async def _take_over_after_pause(self, holding: Holding) -> None:
        await self._in_reader(self.reader.stop, holding.number)
        await asyncio.sleep(_FAILURE_PAUSE_SECONDS * holding.failures)
        if holding.owned:
            await self._take_over(holding)

    def _refuse(self, number: int, error: Exception) -> None:
        """A partition that only a person can mend: it stays ours and unhealthy, the others go on."""
        holding = self.holdings.get(number)
        self.reader.lost.pop(number, None)
        if holding is None or holding.phase is Phase.FAILED:
            return
        logger.error("%s", error)
        holding.failure = str(error)
        holding.partition = None
        holding.enter(Phase.FAILED)
        holding.task = asyncio.create_task(self._in_reader(self.reader.stop, number))

    def _drop(self, holding: Holding) -> None:
        holding.owned = False
        holding.cancelled.set()
        holding.partition = None

    # --- stopping ------------------------------------------------------------------------------------------------

    async def _log_ends(self, holding: Holding) -> dict[str, int] | None:
        """Read before the last checkpoint: that it succeeds proves that all before these ends is ours."""
        if self._config.cache_folder is None or holding.partition is None:
            return None
        topics = [log.topic for log in holding.partition.processor.logs]
        return await self._in_reader(self.reader.log_ends, topics, holding.number)

    def _save_caches(self, partition: Partition, ends: dict[str, int]) -> None:
        for log in partition.processor.logs:
            identity = self._topology.topics[log.topic].id
            self._cache.save(log.topic, partition.number, identity, ends[log.topic], log.dump())

    async def _in_thread(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        call = functools.partial(function, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def _in_reader(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        call = functools.partial(function, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self.reader.thread, call)

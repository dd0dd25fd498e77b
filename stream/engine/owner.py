"""The partitions that this worker owns: given, taken over, running, revoked, kept, dropped."""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from confluent_kafka import KafkaException

from stream.engine.broadcast import Broadcast
from stream.engine.checkpoint import CheckpointWriter, Outcome, Ownership, UnwritableCheckpointError
from stream.engine.config import EngineConfig
from stream.engine.holding import Holding, Phase
from stream.engine.lag import note_waiting
from stream.engine.lane import Batch
from stream.engine.log_cache import LogCache
from stream.engine.log_ends import LogEnds
from stream.engine.look_ups import LookUps
from stream.engine.partition import Applied, BrokenPartitionError, Checkpoint, Partition
from stream.engine.processor import LookUp, Processor
from stream.engine.progress import Progress, Topology
from stream.engine.reader import Reader
from stream.engine.recovery import Recovery, RecoveryPlan, RefusedError, last_progress
from stream.engine.restoring import CancelledTakeOverError
from stream.engine.ticks import Ticks

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

REVOKE_SECONDS = 2.0
MOST_FAILURES = 3
VANISHED_SECONDS = 5.0
_CHECKPOINT_THREADS = 16
# Restores take a thread for minutes: checkpoints must not wait behind them.
_TAKE_OVER_THREADS = 8
_PAUSE_SECONDS = 1.0


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
        self.group_heard_at: float | None = None
        """When the group last answered a heartbeat, on the monotonic clock; None where nobody tells."""
        self._stopped = False
        self._config = config
        self._make_processor = make_processor
        self._broadcast = broadcast
        self._topology = topology
        self._on_fatal = on_fatal
        self._on_checkpoint = on_checkpoint
        self._cache = LogCache(config.cache_folder)
        self._checkpoints = ThreadPoolExecutor(_CHECKPOINT_THREADS, thread_name_prefix="checkpoint")
        self._take_overs = ThreadPoolExecutor(_TAKE_OVER_THREADS, thread_name_prefix="take-over")
        ends = LogEnds(config.kafka)
        self._ticks = Ticks(ends, self.reader)
        self._look_ups = LookUps(config.kafka, ends, self.reader.epoch, self._book, self._fail)
        self._plan = RecoveryPlan(config.progress_topic, config.outputs, config.inputs, config.accept_new_state)

    # --- the group gives and takes ---

    def assign(self, numbers: Iterable[int]) -> None:
        """Note what is ours from now on and return: heartbeats start only after the group's callback returns."""
        if self._stopped:
            return
        mine = set(numbers)
        self.assigned = True
        for number in set(self.holdings) - mine:
            self._drop(self.holdings[number])
        for number in mine:
            holding = self.holdings.get(number)
            if holding is None:
                self._begin(Holding(number))
            elif not holding.owned and holding.phase is Phase.SUSPENDED:
                holding.owned = True
                self._spawn(holding, self._resume)
            elif not holding.owned:
                self._begin_again(holding)

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
        await self._ticks.close()
        await self._look_ups.close()
        await asyncio.gather(*(self._give_up(holding) for holding in list(self.holdings.values())))
        begun = [holding.task for holding in self.holdings.values() if holding.task is not None]
        writing = [holding.in_flight for holding in self.holdings.values() if holding.in_flight is not None]
        for holding in list(self.holdings.values()):
            self._drop(holding)
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, *writing, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, self.reader.close)
        self._take_overs.shutdown(wait=False, cancel_futures=True)
        self._checkpoints.shutdown(wait=False)

    def refuse_all(self, error: Exception) -> None:
        """Write nothing more, of any partition: the topics are not what they were."""
        for number in list(self.holdings):
            self._refuse(number, error)

    # --- records come ---

    async def poll(self) -> list[Batch]:
        """The reader's next batches; raises what cannot be read around."""
        if self._stopped:
            await asyncio.sleep(_PAUSE_SECONDS)
            return []
        batches = await self._in_reader(self.reader.poll, self._booked_batches)
        for number, lost in list(self.reader.lost.items()):
            self.reader.lost.pop(number, None)
            self._refuse(number, lost)
        return batches

    def apply(self, batch: Batch) -> None:
        """Book a batch, now or once everything was found that it needs."""
        holding = self.holdings.get(batch.partition)
        partition = holding.reading if holding is not None else None
        if holding is None or partition is None:
            return
        if holding.parked is not None:
            holding.parked.add(batch)
            return
        try:
            waits = partition.look_ups(batch, self.reader.epoch(batch.partition))
        except BrokenPartitionError as error:
            self._fail(holding, error)
            return
        if waits:
            self._look_ups.park(holding, partition, batch)
        else:
            self._book(holding, batch)

    def _book(self, holding: Holding, batch: Batch, found: Sequence[LookUp] = ()) -> None:
        """Book a batch, or have its partition read again from where it stands."""
        partition = holding.reading
        if partition is None:
            return
        try:
            applied = partition.apply(batch, self.reader.epoch(batch.partition), found)
        except BrokenPartitionError as error:
            self._fail(holding, error)
            return
        if applied is Applied.GAP:
            logger.warning("partition %s: a batch is missing, reading again from progress", batch.partition)
            self._seek_to_progress(holding)

    def _booked_batches(self, number: int) -> int | None:
        holding = self.holdings.get(number)
        partition = holding.reading if holding is not None else None
        return None if partition is None or partition.full else partition.booked_batches

    def _seek_to_progress(self, holding: Holding) -> None:
        holding.seeking = True
        holding.unpark()
        self._spawn(holding, self._seek)

    async def _seek(self, holding: Holding) -> None:
        partition = holding.partition
        try:
            if partition is not None and holding.phase is Phase.RUNNING:
                await self._in_reader(self.reader.seek, holding.number, partition.position)
                partition.booked_batches = 0
        finally:
            holding.seeking = False

    # --- every checkpoint interval ---

    def turn(self, number: int) -> None:
        """Start a partition's checkpoint and its tick, if they are due; look for batches that vanished on their way."""
        holding, now = self.holdings.get(number), time.monotonic()
        if holding is not None and holding.phase is Phase.RUNNING and holding.partition is not None:
            self._start_checkpoint(holding, empty=False)
            note_waiting(holding, self.reader, now)
            self._look_for_vanished(holding, now)
            self._ticks.look_at(holding, now)

    def _look_for_vanished(self, holding: Holding, now: float) -> None:
        """Flow control may clear what Faust had queued: then nothing more would come, and no gap would show."""
        partition, lane = holding.reading, self.reader.lane(holding.number)
        if partition is None or lane is None or partition.full or holding.parked is not None:
            return
        under_way = lane.delivered - partition.booked_batches
        if under_way > 0 and now - max(lane.delivered_at, partition.last_booked_at) > VANISHED_SECONDS:
            logger.warning("partition %s: %s batches vanished, reading again", holding.number, under_way)
            self._seek_to_progress(holding)

    def _start_checkpoint(self, holding: Holding, *, empty: bool) -> asyncio.Task[None] | None:
        """The checkpoint under way, or a new one; None when there is nothing to write."""
        partition = holding.partition
        if holding.in_flight is not None or partition is None:
            return holding.in_flight
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
        assert holding.writer is not None  # noqa: S101  set before there is a partition
        began = time.monotonic()
        try:
            outcome = await self._in_pool(self._checkpoints, holding.writer.write, checkpoint)
        except UnwritableCheckpointError as error:
            self._refuse_holding(holding, error)
        except Exception as error:
            self._fail(holding, error)
        else:
            self._settle(holding, partition, checkpoint, outcome, time.monotonic() - began)
        finally:
            holding.in_flight = None

    def _settle(
        self, holding: Holding, partition: Partition, checkpoint: Checkpoint, outcome: Outcome, seconds: float
    ) -> None:
        if holding.partition is not partition:
            return
        if outcome is Outcome.COMMITTED:
            partition.committed(checkpoint)
            # Only input that was booked proves that what failed before goes well now.
            if checkpoint.progress.offsets != checkpoint.before.offsets:
                holding.failures = 0
            self._on_checkpoint(holding.number, seconds)
        elif holding.owned:
            logger.warning("partition %s: its checkpoint %s, taking it over again", holding.number, outcome.value)
            self._begin_again(holding)
        else:
            self._drop(holding)

    # --- taking over ---

    def _begin(self, holding: Holding) -> None:
        self.holdings[holding.number] = holding
        self._spawn(holding, self._take_over)

    def _begin_again(self, holding: Holding) -> None:
        self._drop(holding)
        self._begin(Holding(holding.number, holding.failures))

    async def _take_over(self, holding: Holding) -> None:
        number, began = holding.number, time.monotonic()
        await self._in_reader(self.reader.stop, number)
        await asyncio.sleep(_PAUSE_SECONDS * holding.failures)
        await self._broadcast.caught_up()
        if not self._is_ours(holding):
            return
        writer = holding.writer = self._writer(holding)
        recovery = Recovery(
            self._config.kafka, self._plan, self._topology, self._cache, holding.cancelled, holding.count_restored
        )
        restored = await self._in_pool(self._take_overs, recovery.run, writer, self._make_processor(number))
        if restored.claim_appended_ms:
            self.reader.broker_clock.note(restored.claim_appended_ms, restored.claimed_at)
        await self._broadcast.reached(restored.progress.broadcast_offset)
        if not self._is_ours(holding):
            return
        holding.partition = Partition(
            number,
            self._config.inputs,
            restored.processor,
            restored.progress,
            restored.topology,
            self._broadcast.value,
            restored.claim,
        )
        await self._start_reading(holding, holding.partition)
        logger.info(
            "partition %s taken over in %.2f s, %s records", number, time.monotonic() - began, holding.restored_records
        )

    async def _start_reading(self, holding: Holding, partition: Partition) -> None:
        epoch = await self._in_reader(self.reader.start, holding.number, partition.position)
        if self._is_ours(holding) and holding.partition is partition:
            partition.booked_batches = 0
            holding.enter(Phase.RUNNING)
        else:
            await self._in_reader(self.reader.stop, holding.number, epoch)

    async def _resume(self, holding: Holding) -> None:
        """What stayed goes on after an empty checkpoint proved that nobody fenced us meanwhile."""
        while holding.in_flight is not None:
            await asyncio.wait([holding.in_flight])
        partition = holding.partition
        if not self._is_ours(holding) or holding.phase is not Phase.SUSPENDED:
            return
        if partition is None or partition.broken is not None:
            self._begin_again(holding)
            return
        holding.cancelled.clear()
        writing = self._start_checkpoint(holding, empty=True)
        if writing is not None:
            await asyncio.wait([writing])
        if self._is_ours(holding) and holding.partition is partition and holding.phase is Phase.SUSPENDED:
            await self._start_reading(holding, partition)

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
            lambda since: self._ownership(holding, since),
        )

    def _ownership(self, holding: Holding, since: float) -> Ownership:
        """Asked from threads, right before somebody is fenced: a process that stood still may have lost the group.

        It is sure only if the group answered lately, and after `since`, on the monotonic clock.
        """
        if not self._is_ours(holding):
            return Ownership.GONE
        heard_at = self.group_heard_at
        oldest = max(since, time.monotonic() - self._config.session_timeout_seconds)
        fresh = heard_at is None or heard_at > oldest
        return Ownership.OURS if fresh else Ownership.UNSURE

    def _is_ours(self, holding: Holding) -> bool:
        return holding.owned and self.holdings.get(holding.number) is holding

    # --- giving up ---

    async def _suspend(self, holding: Holding, *, empty: bool = False) -> None:
        if holding.phase is not Phase.RUNNING:
            return
        holding.enter(Phase.SUSPENDED)
        holding.unpark()
        await self._in_reader(self.reader.stop, holding.number)
        try:
            await asyncio.wait_for(asyncio.shield(self._last_checkpoint(holding, empty=empty)), REVOKE_SECONDS)
        except TimeoutError:
            logger.warning("partition %s: its last checkpoint takes longer than %s s", holding.number, REVOKE_SECONDS)

    async def _last_checkpoint(self, holding: Holding, *, empty: bool) -> None:
        while holding.in_flight is not None:
            await asyncio.wait([holding.in_flight])
        if holding.partition is not None and holding.partition.broken is None:
            writing = self._start_checkpoint(holding, empty=empty)
            if writing is not None:
                await asyncio.wait([writing])

    async def _give_up(self, holding: Holding) -> None:
        """The last checkpoint, and a cache of the logs if that checkpoint proves that all before it was ours."""
        partition = holding.partition
        ends = None
        if partition is not None and holding.phase is Phase.RUNNING and self._config.cache_folder is not None:
            ends = await self._in_reader(self._log_ends, partition)
        before = partition.durable if partition is not None else None
        holding.owned = False
        holding.cancelled.set()
        await self._suspend(holding, empty=True)
        if partition is None or ends is None or holding.in_flight is not None:
            return
        if partition.durable is not before and partition.settled:
            await self._in_pool(self._checkpoints, self._save_caches, partition, ends)

    def _log_ends(self, partition: Partition) -> dict[str, int] | None:
        topics = [log.topic for log in partition.processor.logs]
        try:
            return self.reader.log_ends(topics, partition.number)
        except KafkaException as error:
            logger.warning("partition %s keeps no cache: %s", partition.number, error)
            return None

    def _save_caches(self, partition: Partition, ends: dict[str, int]) -> None:
        for log in partition.processor.logs:
            identity = self._topology.topics[log.topic].id
            self._cache.save(log.topic, partition.number, identity, ends[log.topic], log.dump())

    def _fail(self, holding: Holding, error: BaseException) -> None:
        """Drop a partition's memory and take it over again, a few times in a row."""
        if self.holdings.get(holding.number) is not holding:
            return
        holding.failures += 1
        logger.error("partition %s failed (%s of %s): %s", holding.number, holding.failures, MOST_FAILURES, error)
        if not holding.owned:
            self._drop(holding)
        elif holding.failures < MOST_FAILURES:
            self._begin_again(holding)
        else:
            self._refuse_holding(holding, error)
            # What the pipeline makes of a record concerns this partition alone; anything else, the process.
            if not isinstance(error, BrokenPartitionError):
                self._on_fatal(error)

    def _refuse(self, number: int, error: BaseException) -> None:
        holding = self.holdings.get(number)
        if holding is not None:
            self._refuse_holding(holding, error)

    def _refuse_holding(self, holding: Holding, error: BaseException) -> None:
        """A partition that only a person can mend: it stays ours and unhealthy, the others go on."""
        if self.holdings.get(holding.number) is not holding or holding.phase is Phase.FAILED:
            return
        logger.error("%s", error)
        refused = Holding(holding.number, holding.failures)
        refused.owned = holding.owned
        refused.failure = str(error)
        refused.enter(Phase.FAILED)
        self._drop(holding)
        self.holdings[holding.number] = refused
        self._spawn(refused, self._stop_reading)

    async def _stop_reading(self, holding: Holding) -> None:
        await self._in_reader(self.reader.stop, holding.number)

    def _drop(self, holding: Holding) -> None:
        """End this life of a partition: nothing of it is read, written or kept any more."""
        holding.owned = False
        holding.unpark()
        holding.cancelled.set()
        holding.partition = None
        if self.holdings.get(holding.number) is holding:
            del self.holdings[holding.number]
        if holding.writer is not None:
            self._checkpoints.submit(holding.writer.close)

    # --- tasks and threads ---

    def _spawn(self, holding: Holding, work: Callable[[Holding], Coroutine[None, None, None]]) -> None:
        """Do it for the holding, after what was begun for it before; what escapes fails the holding."""
        holding.task = asyncio.create_task(self._run(holding, holding.task, work))

    async def _run(
        self,
        holding: Holding,
        before: asyncio.Task[None] | None,
        work: Callable[[Holding], Coroutine[None, None, None]],
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        try:
            await work(holding)
        except CancelledTakeOverError:
            logger.info("partition %s was revoked while it was taken over", holding.number)
        except RefusedError as error:
            self._refuse_holding(holding, error)
        except Exception as error:
            self._fail(holding, error)

    async def _in_pool(
        self, pool: ThreadPoolExecutor, function: Callable[P, T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        call = functools.partial(function, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    async def _in_reader(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return await self._in_pool(self.reader.thread, function, *arguments, **named)

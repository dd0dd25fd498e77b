"""Faust's transport with our reader inside: the group, the rebalances and the agents are Faust's.

aiokafka keeps only the membership: its partitions are paused, and it is polled so that it stays in the group.
Records come from the reader, as one Faust message for each batch of a partition.
"""

import itertools
import logging
import math
import time
from typing import Any, ClassVar, cast

from aiokafka import TopicPartition as GroupPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode import Service

from stream.engine.lane import Batch
from stream.engine.owner import Owner
from stream.engine.static_member import FencedInstanceError, keep_name

logger = logging.getLogger(__name__)

MEMBERSHIP_POLL_SECONDS = 1.0
OUT_OF_GROUP_SECONDS = 30.0


class OutOfGroupError(Exception):
    """The group is lost for good: another process had better join it."""


class GroupMember(driver.AIOKafkaConsumerThread):
    """The aiokafka consumer that is in the group, in a thread of its own."""

    fenced = False
    """Another worker joined under our name, and has our partitions."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust would take round-robin, which moves everything at every rebalance.
        consumer._partition_assignment_strategy = (StickyPartitionAssignor,)
        return consumer

    async def on_start(self) -> None:
        """Note every answered heartbeat: a process that stood still must not fence whoever came after it."""
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        beat = coordinator._do_heartbeat
        consumer = cast("GroupConsumer", self.consumer)

        async def noted() -> bool:
            began = time.monotonic()
            answered = bool(await beat())
            if answered:
                consumer.owner.group_heard_at = began
            return answered

        coordinator._do_heartbeat = noted
        if self.instance:
            keep_name(coordinator, self.instance, self._on_fenced)

    @property
    def instance(self) -> str:
        """The name under which it is a static member; empty when it has none."""
        return str(self.app.conf.consumer_group_instance_id or "")

    def _on_fenced(self) -> None:
        self.fenced = True
        # Nobody is fenced by us any more: who has the name has the partitions.
        cast("GroupConsumer", self.consumer).owner.group_heard_at = -math.inf

    @property
    def generation(self) -> int:
        """The group's generation, below zero while out of the group."""
        coordinator = getattr(self._consumer, "_coordinator", None)
        return int(getattr(coordinator, "generation", -1))

    async def pause(self, partitions: set[TP]) -> None:
        """Fetch none of the group's partitions: the reader does."""
        await self.call_thread(self._pause, partitions)

    async def _pause(self, partitions: set[TP]) -> None:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        consumer.pause(*(GroupPartition(*tp) for tp in partitions if GroupPartition(*tp) in assigned))


class GroupConsumer(driver.Consumer):
    """Faust's consumer, fed by the owner's reader; progress is in our checkpoints, so acks decide nothing."""

    owner: ClassVar[Owner]
    usage_topic: ClassVar[str]
    # Begun above any real offset, and across restarts: Faust never takes a replay for something old.
    _sequence = itertools.count(time.time_ns())

    def _new_consumer_thread(self) -> GroupMember:
        return GroupMember(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Give partitions back: their last checkpoints are written before the group goes on."""
        await self.owner.revoke(tp.partition for tp in revoked if tp.topic == self.usage_topic)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note what is ours: taking over goes on in the background."""
        await self._member.pause(assigned)
        await super().on_partitions_assigned(assigned, generation_id)
        self.owner.group_heard_at = time.monotonic()
        self.owner.assign(tp.partition for tp in assigned if tp.topic == self.usage_topic)

    async def _getmany(self, *_: Any, **__: Any) -> dict[TP, list[Batch]]:
        batches = await self.owner.poll()
        return {TP(self.usage_topic, batch.partition): [batch] for batch in batches}

    def _to_message(self, tp: TP, record: Batch) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            next(self._sequence),
            time.time(),
            0,
            None,
            b"",
            cast("Any", record),
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    @Service.task
    async def _stay_in_group(self) -> None:
        """Poll the member, which would leave the group otherwise; also while no partition is ours."""
        in_group_at = time.monotonic()
        while not self.should_stop:
            await self.sleep(MEMBERSHIP_POLL_SECONDS)
            try:
                if self.flow_active:
                    await self._member.getmany(set(), 0.0)
            finally:
                # Before whatever aiokafka makes of an answer that it does not know.
                self._require_own_name()
            now = time.monotonic()
            if self._member.generation >= 0:
                in_group_at = now
            elif now - in_group_at > OUT_OF_GROUP_SECONDS:
                raise OutOfGroupError(f"out of the consumer group for {OUT_OF_GROUP_SECONDS:.0f} s")

    def _require_own_name(self) -> None:
        if self._member.fenced:
            raise FencedInstanceError(self._member.instance)

    @property
    def _member(self) -> GroupMember:
        assert isinstance(self._thread, GroupMember)  # noqa: S101  made by _new_consumer_thread
        return self._thread

    def _new_offset(self, tp: TP) -> int | None:
        """The group's committed offsets are for lag dashboards: what is durable."""
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        holding = self.owner.holdings.get(tp.partition)
        if holding is None or holding.partition is None:
            return None
        return holding.partition.durable.offsets.get(tp.topic)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Continuity is ours to check, by batches."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust would complain that its paused fetcher fetches nothing."""


class MicroBatchTransport(driver.Transport):
    """Named as the app's transport."""

    Consumer: ClassVar[type] = GroupConsumer

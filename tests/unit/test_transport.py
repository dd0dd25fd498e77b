"""What Faust is given: batches as messages of a rising sequence, and a member that stays in the group or says so."""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream.engine import transport
from stream.engine.holding import Phase
from stream.engine.lane import Batch
from stream.engine.progress import Progress
from stream.engine.static_member import FencedInstanceError
from stream.engine.transport import (
    MEMBERSHIP_POLL_SECONDS,
    OUT_OF_GROUP_SECONDS,
    GroupConsumer,
    GroupMember,
    OutOfGroupError,
)
from tests.unit.booking_scene import INCARNATION, INPUTS
from tests.unit.worker_scene import WorkerScene

USAGE = TP(INPUTS[0], 3)


class Member(GroupMember):
    """A member that counts how often it is polled; it is in the group while `generation_of` says so."""

    def __init__(self, generation_of: Callable[[float], int]) -> None:
        self.polls = 0
        self.now = 0.0
        self._generation_of = generation_of

    @property
    def generation(self) -> int:
        return self._generation_of(self.now)

    async def getmany(self, *_: Any, **__: Any) -> Any:
        self.polls += 1


class Consumer(GroupConsumer):
    """Without Faust's app or a broker around it."""

    usage_topic = USAGE.topic
    flow_active = True
    app: Any = SimpleNamespace(consumer_generation_id=5)

    def __init__(self, worker: WorkerScene, member: Member, seconds: float = 0.0) -> None:
        self.owner = worker.owner  # type: ignore[misc,assignment]
        self._thread = member
        self._seconds = seconds
        self._acked = defaultdict(list)
        self._acked_index = defaultdict(set)

    @property
    def should_stop(self) -> bool:
        assert isinstance(self._thread, Member)
        return self._thread.now >= self._seconds

    async def sleep(self, n: Any, **_: Any) -> None:
        assert isinstance(self._thread, Member)
        self._thread.now += n


def in_group(_: float) -> int:
    """Always."""
    return 1


def batch() -> Batch:
    """Of partition 3."""
    return Batch(3, 1, (0, 0), (5, 0), [], 5)


def test_faust_sees_offsets_that_rise_above_any_real_one() -> None:
    """Engine rule 1: it filtered replays as something old, twice: a permanent, silent stall."""
    consumer = Consumer(WorkerScene(), Member(in_group))
    offsets = [consumer._to_message(USAGE, batch()).offset for _ in range(3)]
    other = Consumer(WorkerScene(), Member(in_group))._to_message(USAGE, batch()).offset
    assert sorted({*offsets, other}) == [*offsets, other]
    # Nanoseconds since 1970: no partition ever held as many records, and a later start begins higher.
    assert 10**18 < offsets[0] <= time.time_ns()


def test_a_batch_is_one_message_of_its_partition() -> None:
    """The value is the batch itself; nothing is encoded."""
    consumer = Consumer(WorkerScene(), Member(in_group))
    given = batch()

    async def poll() -> list[Batch]:
        return [given]

    consumer.owner = SimpleNamespace(poll=poll)  # type: ignore[misc,assignment]
    assert asyncio.run(consumer._getmany(None, 1.0)) == {USAGE: [given]}
    message = consumer._to_message(USAGE, given)
    assert (message.tp, message.generation_id) == (USAGE, 5)
    assert cast("object", message.value) is given


def test_the_group_is_told_only_what_is_durable() -> None:
    """What Faust acked decides nothing, and is forgotten, so that it does not grow."""
    worker = WorkerScene()
    consumer = Consumer(worker, Member(in_group))
    consumer._acked[USAGE] = [1, 2]
    consumer._acked_index[USAGE] = {1, 2}
    assert consumer._new_offset(USAGE) is None
    assert (consumer._acked[USAGE], consumer._acked_index[USAGE]) == ([], set())
    partition = worker.hold(3).partition
    assert partition is not None
    partition.durable = Progress(1, INCARNATION, {USAGE.topic: 77})
    assert consumer._new_offset(USAGE) == 77
    assert consumer._new_offset(TP("other", 3)) is None
    worker.hold(3, Phase.TAKING_OVER)
    assert consumer._new_offset(USAGE) is None


def test_gaps_in_faust_offsets_are_nothing_to_fill() -> None:
    """Its sequence belongs to all partitions, so every partition has gaps: filling them would never end."""
    consumer = Consumer(WorkerScene(), Member(in_group))
    asyncio.run(consumer._add_gap(USAGE, 0, 10**18))
    assert not consumer._acked


def _stay(monkeypatch: pytest.MonkeyPatch, member: Member, seconds: float) -> None:
    """Live through so many seconds of membership, without waiting for them."""
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: member.now))
    consumer = Consumer(WorkerScene(), member, seconds)

    async def stay() -> None:
        await GroupConsumer._stay_in_group.fun(consumer)

    asyncio.run(stay())


def test_the_member_is_polled_though_faust_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 8: unpolled it left the group and never came back."""
    member = Member(in_group)
    _stay(monkeypatch, member, 100.0)
    assert member.polls == 100 / MEMBERSHIP_POLL_SECONDS


def test_a_worker_out_of_its_group_for_30_s_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 8: shorter absences, as in a rebalance, pass, however many there are."""
    coming_and_going = Member(lambda now: -1 if now % OUT_OF_GROUP_SECONDS else 1)
    _stay(monkeypatch, coming_and_going, 300.0)
    gone = Member(lambda now: -1 if now > 50 else 1)
    with pytest.raises(OutOfGroupError, match="30 s"):
        _stay(monkeypatch, gone, 300.0)
    assert 80 < gone.now < 83


def test_the_assignor_is_the_sticky_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine rule 8: Faust would take round-robin, which moves everything at every rebalance."""

    async def strategy() -> tuple[type, ...]:
        faust_own = AIOKafkaConsumer(partition_assignment_strategy=[RoundRobinPartitionAssignor])
        monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_create_worker_consumer", lambda *_: faust_own)
        member = Member(in_group)
        made = member._create_worker_consumer(None)
        return tuple(made._partition_assignment_strategy)

    assert asyncio.run(strategy()) == (StickyPartitionAssignor,)


def test_a_worker_whose_name_another_one_took_ends_whatever_else_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka does not know the answer, and raises what nobody understands; the owner fences nobody from then on."""

    class Twin(Member):
        instance = "twin"
        consumer: Any

        async def getmany(self, *_: Any, **__: Any) -> Any:
            self._on_fenced()
            raise RuntimeError("UnknownError()")

    worker = WorkerScene()
    twin = Twin(in_group)
    twin.consumer = SimpleNamespace(owner=worker.owner)
    with pytest.raises(FencedInstanceError, match="'twin'"):
        _stay(monkeypatch, twin, 10.0)
    assert worker.owner.group_heard_at == -math.inf

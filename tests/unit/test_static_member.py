"""A name in the group: said in every heartbeat, never taken back from whoever has it now."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest

from stream.engine.static_member import FENCED_INSTANCE_ID, NamedHeartbeat, NamedHeartbeatStruct, keep_name

NO_ERROR, UNKNOWN_MEMBER_ID = 0, 25
HEARTBEAT = HeartbeatRequest("group", 3, "member-1")
JOIN = JoinGroupRequest("group", 10_000, 10_000, "", "a", "consumer", [])


class Coordinator:
    """aiokafka's, as far as it sends; the group answers everything with `answer`."""

    def __init__(self) -> None:
        self.group_id = "group"
        self.generation = 3
        self.member_id = "member-1"
        self.answer = NO_ERROR
        self.sent: list[Any] = []
        self.fenced = 0
        keep_name(self, "a", self._on_fenced)

    async def _send_req(self, request: Any) -> Any:
        self.sent.append(request)
        return SimpleNamespace(error_code=self.answer)

    def _on_fenced(self) -> None:
        self.fenced += 1

    def send(self, request: Any) -> int:
        """Send it as aiokafka does; the error code of the answer."""
        code: int = asyncio.run(self._send_req(request)).error_code
        return code


def test_a_heartbeat_says_the_name() -> None:
    """The broker takes it for version 3 of the protocol, which has the name at its end."""
    coordinator = Coordinator()
    assert coordinator.send(HEARTBEAT) == NO_ERROR
    (heartbeat,) = coordinator.sent
    assert isinstance(heartbeat, NamedHeartbeat)
    prepared = heartbeat.prepare({12: (0, 4)})
    assert isinstance(prepared, NamedHeartbeatStruct)
    assert prepared.encode() == b"\0\x05group\0\0\0\x03\0\x08member-1\0\x01a"
    assert coordinator.fenced == 0


@pytest.mark.parametrize("request_", [HEARTBEAT, JOIN, SyncGroupRequest("group", 3, "member-1", "a", [])])
def test_a_name_that_another_worker_took_is_noticed_by_any_answer(request_: Any) -> None:
    """Heartbeat, join and sync may each be the first to be told."""
    coordinator = Coordinator()
    coordinator.answer = FENCED_INSTANCE_ID
    coordinator.send(request_)
    assert coordinator.fenced == 1


def test_who_forgot_its_membership_does_not_take_the_name_from_another_worker() -> None:
    """aiokafka forgets it after a failed offset commit, and would join again at once."""
    coordinator = Coordinator()
    coordinator.send(HEARTBEAT)
    coordinator.member_id, coordinator.answer = "", FENCED_INSTANCE_ID
    with pytest.raises(KafkaError, match="another worker's"):
        coordinator.send(JOIN)
    assert JOIN not in coordinator.sent
    assert coordinator.fenced == 1


def test_who_was_away_for_too_long_joins_again_under_its_name() -> None:
    """The group knows nobody of that name then."""
    coordinator = Coordinator()
    coordinator.send(HEARTBEAT)
    coordinator.member_id, coordinator.answer = "", UNKNOWN_MEMBER_ID
    coordinator.send(JOIN)
    assert coordinator.sent[-1] is JOIN
    assert coordinator.fenced == 0


def test_the_first_join_asks_nothing() -> None:
    """A worker that comes back is to have the name of the one that ended."""
    coordinator = Coordinator()
    coordinator.member_id = ""
    coordinator.send(JOIN)
    assert coordinator.sent == [JOIN]

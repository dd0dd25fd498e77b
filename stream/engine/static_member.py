"""Static membership (KIP-345): a worker that comes back under its name in time gets its partitions back.

aiokafka tells that name when it joins, but not in its heartbeats. A second worker of one name would so look to the
first like an expired session: it would join again, and the two would take the name from each other for ever.
"""

from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v1, JoinGroupRequest
from aiokafka.protocol.types import Int32, Schema, String

FENCED_INSTANCE_ID = 82


class FencedInstanceError(Exception):
    """Another worker has this one's name: of the two, the group keeps the one that joined last."""

    def __init__(self, instance: str) -> None:
        super().__init__(
            f"another worker joined the group as instance {instance!r}, and has this one's partitions now. Two workers "
            "never share a name: give each a CREDITSTREAM_INSTANCE_ID of its own, or none to any"
        )


class NamedHeartbeatResponse(Response):  # type: ignore[misc]
    """What the group answers, as before it knew names."""

    API_KEY = 12
    API_VERSION = 3
    SCHEMA = HeartbeatResponse_v1.SCHEMA


class NamedHeartbeatStruct(RequestStruct):  # type: ignore[misc]
    """A heartbeat with the name of its instance."""

    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = NamedHeartbeatResponse
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
    )


class NamedHeartbeat(Request[NamedHeartbeatStruct]):  # type: ignore[misc]
    """Builds the heartbeat of a named instance; every broker that knows names knows it."""

    API_KEY = 12

    def __init__(self, group: str, generation: int, member: str, instance: str) -> None:
        self._fields = (group, generation, member, instance)

    def build(self, request_struct_class: type[NamedHeartbeatStruct]) -> NamedHeartbeatStruct:
        """The request as it is sent."""
        return request_struct_class(*self._fields)


def keep_name(coordinator: Any, instance: str, on_fenced: Callable[[], None]) -> None:
    """Have aiokafka's coordinator say the name in heartbeats too, and tell when another worker has taken it."""
    send = coordinator._send_req
    last: NamedHeartbeat | None = None

    async def checked(request: Any) -> Any:
        response = await send(request)
        if getattr(response, "error_code", 0) == FENCED_INSTANCE_ID:
            on_fenced()
        return response

    async def send_named(request: Any) -> Any:
        nonlocal last
        if isinstance(request, HeartbeatRequest):
            last = NamedHeartbeat(coordinator.group_id, coordinator.generation, coordinator.member_id, instance)
            return await checked(last)
        # It forgot who it was, after an offset commit perhaps, which is not told why it failed: joining would take the
        # name from whoever has it now.
        forgot = isinstance(request, JoinGroupRequest) and not coordinator.member_id
        if forgot and last is not None and (await checked(last)).error_code == FENCED_INSTANCE_ID:
            raise KafkaError(f"the name {instance} is another worker's")
        return await checked(request)

    coordinator._send_req = send_named

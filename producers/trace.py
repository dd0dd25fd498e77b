"""Turns a trace into usage events: a prompt-token, a generated-token and a message event of each request."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from producers.trace_cast import LARGEST_CAST, Part, cast
from producers.trace_file import Request


class TraceReplay(Struct, frozen=True, kw_only=True):
    """How a trace is replayed: the same settings give the same events, to the byte.

    Times keep their proportions, stretched so that the trace takes `lasts` and begins at `begins_at`.
    """

    run: str
    begins_at: datetime
    lasts: timedelta
    seed: int = 1
    accounts: int = 40
    agents: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.accounts <= LARGEST_CAST or not 1 <= self.agents <= LARGEST_CAST:
            raise ValueError(f"accounts is {self.accounts}, agents {self.agents}: both are 1 to {LARGEST_CAST}")


class TraceEvent(Struct, frozen=True, gc=False):
    """One usage event of a trace, `offset_ms` of the trace's own time after its first request."""

    offset_ms: int
    id: str
    part: Part
    node: str
    quantity: int
    occurred_at: datetime


def trace_events(requests: list[Request], replay: TraceReplay) -> Iterator[TraceEvent]:
    """The events in order of time; what a request used none of makes no event."""
    length_ms = max(requests[-1].offset_ms, 1)
    parts = cast(replay.seed, replay.accounts, replay.agents)
    for request, part in zip(requests, parts, strict=False):
        # Whole microseconds before dividing: a float of days would not be exact.
        after = timedelta(microseconds=replay.lasts // timedelta(microseconds=1) * request.offset_ms // length_ms)
        for node, quantity in _used(request):
            event_id = f"{replay.run}/{replay.seed}/{request.line}/{node}"
            yield TraceEvent(request.offset_ms, event_id, part, node, quantity, replay.begins_at + after)


def _used(request: Request) -> Iterable[tuple[str, int]]:
    used = (
        ("llm_prompt", request.context_tokens),
        ("llm_completion", request.generated_tokens),
        ("message", 1),
    )
    return ((node, quantity) for node, quantity in used if quantity > 0)

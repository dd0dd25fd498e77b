"""What a workload is made of."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]

NODES = {
    "llm_prompt": 30,
    "llm_completion": 30,
    "message": 20,
    "search": 8,
    "http_request": 6,
    "code": 4,
    "image": 2,
}
"""The nodes of a workload with their weights; deploy/rate-cards prices them all."""


class WorkloadSettings(Struct, frozen=True, kw_only=True):
    """The same settings make the same records, to the byte.

    With a `rate`, event number i happens i / rate seconds after `started_at`; without one (flat out), events
    happen at random times within the last `span_seconds` before it. Late events happen up to `late_hours`
    before. `run` is part of every id. `partitions` are those of usage.events: above 1, some records are put
    in a wrong one.
    """

    accounts: Annotated[int, Meta(ge=1, le=10_000_000)] = 1_000
    distribution: Literal["zipf", "uniform"] = "zipf"
    exponent: Annotated[float, Meta(gt=0, le=5)] = 1.1
    agents: Annotated[int, Meta(ge=1, le=1_000)] = 5
    conversations: Annotated[int, Meta(ge=1, le=100_000)] = 20
    rate: Annotated[int, Meta(ge=1)] | None = None
    events: Annotated[int, Meta(ge=1)] | None = None
    duplicates: Share = 0.02
    late: Share = 0.01
    malformed: Share = 0.005
    seed: Annotated[int, Meta(ge=0)] = 1
    run: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,60}$")] = "run"
    started_at: Annotated[datetime, Meta(tz=True)] = datetime(2026, 7, 1, tzinfo=UTC)
    span_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 3_600
    late_hours: Annotated[int, Meta(ge=1, le=840)] = 20
    partitions: Annotated[int, Meta(ge=1)] = 1

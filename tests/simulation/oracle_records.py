"""What the oracle reads and what it answers: plain tuples, in microcredits, microseconds and millionths."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from schemas.topics import TopicNames
from schemas.usage import LARGEST_EVENT_BYTES

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS

TopicKind = Literal["usage", "commands"]


class RawRecord(NamedTuple):
    """One record of an input topic as the broker keeps it; `timestamp_ms` is its append time."""

    topic_kind: TopicKind
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, kw_only=True)
class OracleSettings:
    """The settings of the worker that is checked, as far as they change what is booked."""

    partitions: int
    topics: TopicNames = field(default_factory=TopicNames)
    dedup_window_ms: int = 24 * _HOUR_MS
    horizon_ms: int = 24 * _HOUR_MS - 5 * _MINUTE_MS
    future_tolerance_ms: int = 5 * _MINUTE_MS
    command_memory_ms: int = 90 * _DAY_MS
    largest_event_bytes: int = LARGEST_EVENT_BYTES

    @classmethod
    def of_window(cls, *, partitions: int, topics: TopicNames, dedup_window_hours: int) -> "OracleSettings":
        """Settings of a worker whose horizon is its dedup window less the 5 minutes an event may be ahead."""
        window_ms = dedup_window_hours * _HOUR_MS
        return cls(
            partitions=partitions,
            topics=topics,
            dedup_window_ms=window_ms,
            horizon_ms=window_ms - 5 * _MINUTE_MS,
        )


class BalanceTotals(NamedTuple):
    """Running totals of an account, in microcredits."""

    granted: int
    charged: int
    events: int
    messages: int
    grants: int


class RollupKey(NamedTuple):
    """`hour` counts hours since 1970, UTC."""

    account: str
    hour: int
    channel: str
    agent: str
    node: str


class RollupTotals(NamedTuple):
    """Sums over the segments of a rollup row."""

    events: int
    messages: int
    quantity_micros: int
    cost: int


class Identity(NamedTuple):
    """What makes two events the same event."""

    account: str
    source: str
    id: str


class ChargeFacts(NamedTuple):
    """What one event cost, and where in usage.events it was booked from."""

    agent: str
    conversation: str
    channel: str
    node: str
    quantity_micros: int
    cost: int
    messages: int
    rate_card: str
    occurred_at_us: int
    partition: int
    offset: int


class ConversationKey(NamedTuple):
    """`day` counts days since 1970, UTC."""

    account: str
    day: int
    agent: str
    conversation: str


class Place(NamedTuple):
    """Where a record is: topic name, partition, offset."""

    topic: str
    partition: int
    offset: int


@dataclass
class Figures:
    """Everything the system shows to an analyst.

    An event whose identity comes again after the dedup window is charged again: `charges` keeps its later
    charge, the totals count both.
    """

    balances: dict[str, BalanceTotals] = field(default_factory=dict)
    rollups: dict[RollupKey, RollupTotals] = field(default_factory=dict)
    charges: dict[Identity, ChargeFacts] = field(default_factory=dict)
    conversations: set[ConversationKey] = field(default_factory=set)
    dead_letters: dict[Place, str] = field(default_factory=dict)


@dataclass
class Expected(Figures):
    """What the system must show, and how many duplicates it must have dropped."""

    dropped_events: int = 0
    dropped_commands: int = 0

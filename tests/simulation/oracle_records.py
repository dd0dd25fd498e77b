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
    """An account: running totals in microcredits, plan, mode, gate, refills.

    Without a plan the period is 0; `bill` are the lines of the current one, in order; `refill` is where refills stand,
    nothing while there is no policy for them.
    """

    granted: int
    charged: int
    events: int
    messages: int
    grants: int
    burned: int = 0
    expired: int = 0
    voided: int = 0
    refunded: int = 0
    owed: int = 0
    billed: int = 0
    held: int = 0
    remaining: int = 0
    sequence: int = 0
    mode: str = "observe"
    plan: str = ""
    next_plan: str = ""
    ends: bool = False
    period_start_ms: int = 0
    period_end_ms: int = 0
    overage: int = 0
    bill: tuple["BillLine", ...] = ()
    gate_closed: bool = False
    beyond_events: int = 0
    beyond_microcredits: int = 0
    leaked_events: int = 0
    leaked_microcredits: int = 0
    refill: str = ""


class BillLine(NamedTuple):
    """Overage at one price; the price of a credit is in millionths of the currency's minor unit."""

    period_start_ms: int
    price_micros: int
    currency: str
    microcredits: int


class LotKey(NamedTuple):
    """A lot of an account."""

    account: str
    lot: str


class LotTotals(NamedTuple):
    """What became of a lot's credits, in microcredits; `expires_at_ms` is 0 for a lot that has no end."""

    kind: str
    priority: int
    effective_at_ms: int
    expires_at_ms: int
    granted: int
    rolled_in: int
    spent: int
    expired: int
    voided: int
    rolled_out: int
    held: int
    repaid: int
    is_voided: bool
    payment: str


class EntryKey(NamedTuple):
    """A line of an account's ledger."""

    account: str
    sequence: int


class EntryFacts(NamedTuple):
    """What an entry did, in microcredits, and why: `cause` is the event or command, nothing for the clock."""

    kind: str
    lot: str
    lot_effect: int
    owed_effect: int
    billed_effect: int
    balance: int
    cause: str
    rate_card: str
    is_late: bool
    occurred_at_us: int
    ingested_at_ms: int


class AlertFacts(NamedTuple):
    """An alert; `threshold` is as it was set, such as `20%` or microcredits, `level` what it came to."""

    at_ms: int
    kind: str
    threshold: str
    level: int
    on_set: bool
    is_delayed: bool


class RefillFacts(NamedTuple):
    """A refill that was asked for, for the first time or again."""

    at_ms: int
    request: str
    attempt: int
    microcredits: int


class BillFacts(NamedTuple):
    """A bill that was closed; `amounts_minor` has one for each line."""

    period_start_ms: int
    period_end_ms: int
    plan: str
    lines: tuple[BillLine, ...]
    amounts_minor: tuple[int, ...]


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
    charge, the totals count both. What accounts were told is in order.
    """

    balances: dict[str, BalanceTotals] = field(default_factory=dict)
    lots: dict[LotKey, LotTotals] = field(default_factory=dict)
    entries: dict[EntryKey, EntryFacts] = field(default_factory=dict)
    alerts: dict[str, list[AlertFacts]] = field(default_factory=dict)
    refills: dict[str, list[RefillFacts]] = field(default_factory=dict)
    bills: dict[str, list[BillFacts]] = field(default_factory=dict)
    rollups: dict[RollupKey, RollupTotals] = field(default_factory=dict)
    charges: dict[Identity, ChargeFacts] = field(default_factory=dict)
    conversations: set[ConversationKey] = field(default_factory=set)
    dead_letters: dict[Place, str] = field(default_factory=dict)


@dataclass
class Expected(Figures):
    """What the system must show, and how many duplicates it must have dropped."""

    dropped_events: int = 0
    dropped_commands: int = 0

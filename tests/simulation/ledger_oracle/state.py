"""What the oracle remembers of an account: everything, in lists."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal

from tests.simulation.ledger_oracle.entries import Entry, first_hash
from tests.simulation.ledger_oracle.periods import Period, period_at
from tests.simulation.ledger_oracle.records import (
    Content,
    EventName,
    Overage,
    Payment,
    Plan,
    Threshold,
)
from tests.simulation.ledger_oracle.watched import Closed, Level, Refill

CLOSED_LOTS_KEPT = timedelta(days=90)
LotKind = Literal["free", "plan", "rollover", "top_up", "refill", "promotional", "adjustment"]


@dataclass(eq=False)
class Lot:
    """Credits of one grant; the seven amounts add up: granted + rolled_in = spent + … + held."""

    id: str
    kind: LotKind
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    payment: Payment | None
    moved_at: datetime
    granted: int = 0
    rolled_in: int = 0
    spent: int = 0
    repaid: int = 0
    expired: int = 0
    voided: int = 0
    rolled_out: int = 0
    held: int = 0
    has_expired: bool = False
    is_voided: bool = False
    rollover: "Lot | None" = None
    room: "Room | None" = None

    def is_usable(self, now: datetime) -> bool:
        """effective_at ≤ now < expires_at, and not taken back."""
        before_end = self.expires_at is None or now < self.expires_at
        return self.effective_at <= now and before_end and not self.has_expired and not self.is_voided

    def is_kept(self, now: datetime) -> bool:
        """A lot that holds nothing is known for 90 days after its last entry."""
        return self.held > 0 or now - self.moved_at <= CLOSED_LOTS_KEPT

    def burn_order(self) -> tuple[int, bool, float, datetime, str]:
        """By priority, expires_at (none last), effective_at, id."""
        never = self.expires_at is None
        expires_s = self.expires_at.timestamp() if self.expires_at else 0.0
        return (self.priority, never, expires_s, self.effective_at, self.id)


@dataclass(eq=False)
class Room:
    """What the cap of a rollover still lets through; the lots of one period share it."""

    left: int


@dataclass(frozen=True)
class Billed:
    """Overage to be paid in money: the period it belongs to, and its price."""

    period: Period
    price: Fraction
    currency: str


Source = Lot | Billed | Literal["owed"]


@dataclass(eq=False)
class Piece:
    """A part of a charge, and what pays for it."""

    source: Source
    amount: int


@dataclass(eq=False)
class Charge:
    """What an event costs now, in pieces that sum to it."""

    event: EventName
    occurred_at: datetime
    ingested_at: datetime
    rate_card: str
    rollup: tuple[object, ...]
    now: int
    pieces: list[Piece] = field(default_factory=list)
    is_free: bool = False
    is_voided: bool = False
    cards: set[str] = field(default_factory=set)


@dataclass
class BillLine:
    """Overage of a price; `corrects` names the closed period that a correction is about."""

    price: Fraction
    currency: str
    corrects: datetime | None
    credits: int = 0

    def amount_minor(self) -> int:
        """In minor units, rounded half to even once."""
        return round(Fraction(self.credits, 1_000_000) * self.price)


@dataclass
class Bill:
    """A period's overage; it no longer changes once it is closed."""

    start: datetime
    end: datetime
    lines: list[BillLine] = field(default_factory=list)
    plan: str = ""


@dataclass
class Totals:
    """The running totals that operations raise; H, O and M are counted where they are kept."""

    granted: int = 0
    burned: int = 0
    expired: int = 0
    voided: int = 0
    charged: int = 0
    refunded: int = 0


@dataclass
class Account:
    """One account's books."""

    name: str
    opened_at: datetime
    keeps_entries: bool = True
    """And chains them; without, whoever books an account takes them as they are written."""
    sequence: int = 0
    balance: int = 0
    granted_lots: int = 0
    period: Period = field(init=False)
    bill: Bill = field(init=False)
    last_hash: str = field(init=False)
    clock: datetime = field(init=False)
    due: datetime | None = None
    """The next timer that was put down for it."""
    mode: Literal["observe", "enforce"] = "observe"
    plan: Plan | None = None
    lines: list[tuple[datetime, str]] = field(default_factory=list)
    """Since when which line of rate cards is in force; the default one before."""
    scheduled: "Plan | Literal['cancel'] | None" = None
    is_renewed: bool = False
    is_next_renewed: bool = False
    overage_in_period: int = 0
    lots: list[Lot] = field(default_factory=list)
    owed_now: int = 0
    charges: dict[EventName, Charge] = field(default_factory=dict)
    bills: list[Bill] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    postings: list[list[Entry]] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    rollups: dict[tuple[object, ...], int] = field(default_factory=dict)
    commands: dict[tuple[str, str], tuple[tuple[Content, str], datetime]] = field(default_factory=dict)
    used: dict[tuple[str, str], datetime] = field(default_factory=dict)
    remaining: int = 0
    base: int = 0
    """What percentages are of: what was usable at the period's start, became so since, less what was taken back."""
    levels: list[Level] = field(default_factory=lambda: [Level(Threshold(credits=0), 1)])
    armings: int = 1
    is_gate_closed: bool = False
    leaked: Closed = field(default_factory=Closed)
    would_have_leaked: Closed = field(default_factory=Closed)
    refill: Refill = field(default_factory=Refill)

    def __post_init__(self) -> None:
        self.clock = self.opened_at
        self.period = period_at(self.opened_at, 1)
        self.bill = Bill(self.period.start, self.period.end)
        self.last_hash = first_hash(self.name)

    def overage(self) -> Overage:
        """That of the plan; without one it is refused."""
        return self.plan.overage if self.plan else Overage()

    def usable_lots(self, now: datetime) -> list[Lot]:
        """In burn-down order."""
        return sorted((lot for lot in self.lots if lot.is_usable(now)), key=Lot.burn_order)

    def available(self, now: datetime) -> int:
        """What usable lots hold."""
        return sum(lot.held for lot in self.usable_lots(now))

    def held(self) -> int:
        """What all lots hold."""
        return sum(lot.held for lot in self.lots)

    def owed(self) -> int:
        """What usage and voided grants left to be repaid."""
        return self.owed_now

    def billed(self) -> int:
        """Overage in money, net of what was credited, over all bills, in microcredits."""
        return sum(line.credits for bill in [*self.bills, self.bill] for line in bill.lines)

"""What a ledger must offer to be run against the worked examples, and the oracle as such a ledger."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple, Protocol

from tests.simulation.ledger_oracle import Oracle, check_chain
from tests.simulation.ledger_oracle.entries import Entry
from tests.simulation.ledger_oracle.records import Record
from tests.simulation.ledger_oracle.state import Account

ACCOUNT = "acme"


class LotFacts(NamedTuple):
    """A lot that was ever opened, in microcredits."""

    id: str
    kind: str
    effective_at: datetime
    expires_at: datetime | None
    held: int


class EntryFacts(NamedTuple):
    """An entry: its amount in microcredits is never negative; `lot` is the lot's id, if there is one."""

    kind: str
    amount: int
    lot: str | None
    balance_after: int
    is_late: bool
    occurred_at: datetime
    ingested_at: datetime


class AlertFacts(NamedTuple):
    """An alert; `level` is that of a threshold, in credits as text."""

    kind: str
    level: str | None
    on_set: bool
    is_delayed: bool


class BillLineFacts(NamedTuple):
    """A line of a bill; `corrects` is the start of the closed period that it corrects."""

    credits: int
    amount_minor: int
    corrects: datetime | None


class BillFacts(NamedTuple):
    """A period's bill, closed or current."""

    start: datetime
    lines: list[BillLineFacts]


@dataclass(frozen=True)
class Books:
    """An account as its users see it; amounts are microcredits, `closed` counts what came while the gate was closed."""

    remaining: int
    available: int
    owed: int
    billed: int
    lots: list[LotFacts]
    postings: list[list[EntryFacts]]
    bills: list[BillFacts]
    closed_events: int
    closed_credits: int
    rolled_up: int


class Ledger(Protocol):
    """One partition's ledger; the examples know one account in it."""

    def apply(self, record: Record) -> str:
        """Books a record after the timers before it: `booked`, `dropped`, or the reason why it is rejected."""

    def advance(self, to: datetime) -> None:
        """Both inputs are read to their ends, and the clock goes on."""

    def check(self) -> None:
        """Raises when the ledger's own books are wrong: an equation, or the chain of its entries."""

    def books(self) -> Books | None:
        """The account, None while it is not open."""

    def alerts(self) -> list[AlertFacts]:
        """All that were published, in order."""

    def refill_requests(self) -> list[tuple[str, int]]:
        """Id and amount of all that were published, in order; asked again, they are there again."""


class OracleLedger:
    """The oracle, run against the examples."""

    def __init__(self) -> None:
        self.oracle = Oracle()

    def apply(self, record: Record) -> str:
        """The oracle's answer in a word."""
        answer = self.oracle.apply(record)
        return answer.reason or answer.outcome

    def advance(self, to: datetime) -> None:
        """Timers fire."""
        self.oracle.advance(to)

    def check(self) -> None:
        """The equations are checked at every posting; here is the chain."""
        for account in self.oracle.accounts.values():
            check_chain(account)

    def books(self) -> Books | None:
        """Read from the oracle's lists."""
        account = self.oracle.accounts.get(ACCOUNT)
        if account is None:
            return None
        return Books(
            remaining=account.remaining,
            available=account.available(account.clock),
            owed=account.owed(),
            billed=account.billed(),
            lots=[LotFacts(lot.id, lot.kind, lot.effective_at, lot.expires_at, lot.held) for lot in account.lots],
            postings=[moved for posting in account.postings if (moved := _moved(posting))],
            bills=_bills(account),
            closed_events=account.leaked.events + account.would_have_leaked.events,
            closed_credits=account.leaked.credits + account.would_have_leaked.credits,
            rolled_up=sum(account.rollups.values()),
        )

    def alerts(self) -> list[AlertFacts]:
        """Levels as whole credits, or as the fraction that they are."""
        return [
            AlertFacts(
                alert.kind,
                None if alert.level is None else str(Fraction(alert.level // 1, 1_000_000)),
                alert.on_set,
                alert.is_delayed,
            )
            for alert in self.oracle.alerts
        ]

    def refill_requests(self) -> list[tuple[str, int]]:
        """As published."""
        return [(request.id, request.amount) for request in self.oracle.refill_requests]


def _moved(posting: list[Entry]) -> list[EntryFacts]:
    """Without entries that move nothing: the examples are about credits."""
    return [_entry(entry) for entry in posting if entry.amount]


def _entry(entry: Entry) -> EntryFacts:
    return EntryFacts(
        entry.kind,
        entry.amount,
        entry.lot,
        entry.balance_after,
        entry.is_late,
        entry.occurred_at,
        entry.ingested_at,
    )


def _bills(account: Account) -> list[BillFacts]:
    return [
        BillFacts(
            bill.start,
            [BillLineFacts(line.credits, line.amount_minor(), line.corrects) for line in bill.lines],
        )
        for bill in [*account.bills, account.bill]
    ]

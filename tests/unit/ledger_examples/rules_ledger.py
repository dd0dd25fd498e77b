"""The rules of the ledger as they run in a worker, told the oracle's records and asked for the examples' facts.

Entries that move nothing (a plan was activated, a bill closed) are left out: the examples are about credits.
"""

from datetime import datetime
from fractions import Fraction

from schemas.correction_command import BookedEvent
from schemas.identifiers import Account, RateCardVersion
from schemas.ledger import Entry, verify_chain
from schemas.lot import NEVER_MS, Lot
from schemas.notices import Alert, Bill, Notice, RefillRequest
from schemas.topics import TopicNames
from stream.rules.carrying_out import Carrying
from stream.rules.ledger.billing import amount_minor
from stream.rules.ledger.corrections import ChargeNow, charge_of
from stream.rules.ledger.laws import broken_laws
from stream.rules.ledger.ledger import Ledger
from stream.rules.outcome import Reject
from stream.tables import commands_table
from tests.simulation.ledger_oracle.records import Command, EventName, Record, Reprice, Usage
from tests.simulation.ledger_oracle.wire_writing import write_command
from tests.unit.ledger_charges import charged
from tests.unit.ledger_examples.adapter import (
    ACCOUNT,
    AlertFacts,
    BillFacts,
    BillLineFacts,
    Books,
    EntryFacts,
    LotFacts,
)
from tests.unit.ledger_examples.instants import ms, time_at


class Events:
    """What every event costs now; `cost` is what the one that is repriced next costs by its card."""

    def __init__(self) -> None:
        self.charges: dict[EventName, ChargeNow] = {}
        self.cost = 0
        self.more = 0

    def charge_of(self, account: Account, event: BookedEvent) -> ChargeNow | None:
        """As it was booked, and corrected."""
        assert account == ACCOUNT
        return self.charges.get(EventName(event.source, event.id, event.partition, event.offset))

    def cost_by_card(self, account: Account, event: BookedEvent, rate_card: RateCardVersion) -> int | Reject:
        """As the story has it."""
        assert rate_card
        assert self.charge_of(account, event) is not None
        return self.cost

    def corrected(self, event: BookedEvent, charge: ChargeNow, more_microcredits: int, clock_ms: int) -> None:
        """What rollups get."""
        assert clock_ms >= charge.booked_at_ms
        assert self.charges[EventName(event.source, event.id, event.partition, event.offset)] is charge
        self.more += more_microcredits


class RulesLedger:
    """One account of the rules' ledger; a checkpoint is written after every record."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.entries: list[Entry] = []
        self.notices: list[Notice] = []
        self.lots: dict[str, Lot] = {}
        self.rolled_up = 0
        self._events = Events()
        self._carrying = Carrying(self.ledger, commands_table(TopicNames()), self._events, _anywhere)

    def apply(self, record: Record) -> str:
        """Advance to the record's time, then book it."""
        now_ms = ms(record.ingested_at)
        self._go_to(now_ms, caught_up=not record.is_behind)
        charged_before, self._events.more = self._charged(), 0
        answer = (
            self._use(record.body, now_ms) if isinstance(record.body, Usage) else self._carry_out(record.body, now_ms)
        )
        self._write()
        self.rolled_up += self._charged() - charged_before
        assert isinstance(record.body, Usage) or self._events.more == self._charged() - charged_before
        return answer

    def advance(self, to: datetime) -> None:
        """Both inputs are read to their ends."""
        self._go_to(ms(to), caught_up=True)
        self._write()

    def check(self) -> None:
        """The laws are checked at every checkpoint; here is the chain, and what the last equation says of rollups."""
        verify_chain(ACCOUNT, self.entries)
        assert self.rolled_up == self._charged()

    def books(self) -> Books | None:
        """Read from the row, the lots and the entries."""
        book = self.ledger.book(ACCOUNT)
        if book is None:
            return None
        row = book.row
        return Books(
            remaining=row.remaining,
            available=row.available,
            owed=row.owed,
            billed=row.billed,
            lots=[_lot_facts(lot) for lot in self.lots.values()],
            postings=postings_of(self.entries),
            bills=[*self._closed_bills(), self._current_bill()],
            closed_events=row.beyond_events,
            closed_credits=row.beyond_microcredits,
            rolled_up=self.rolled_up,
        )

    def alerts(self) -> list[AlertFacts]:
        """Levels in whole credits, as text."""
        return [
            AlertFacts(
                each.kind,
                str(Fraction(each.level, 1_000_000)) if each.kind == "threshold" else None,
                each.on_set,
                each.delayed,
            )
            for each in self.notices
            if isinstance(each, Alert)
        ]

    def refill_requests(self) -> list[tuple[str, int]]:
        """As published."""
        return [(each.id, each.amount) for each in self.notices if isinstance(each, RefillRequest)]

    def _go_to(self, now_ms: int, *, caught_up: bool) -> None:
        # What was put off while the clock was behind is looked at once, when it has caught up.
        if not caught_up:
            self.ledger.catch_up(now_ms, caught_up=False)
        self.ledger.advance(now_ms)
        self.ledger.catch_up(now_ms, caught_up=caught_up)

    def _use(self, usage: Usage, now_ms: int) -> str:
        event, first = usage.event, len(self.ledger.entries)
        at_us = ms(usage.occurred_at) * 1_000
        refused = charged(
            self.ledger, ACCOUNT, usage.cost, 1, event.source, event.id, event.offset, usage.rate_card, at_us, now_ms
        )
        if refused is not None:
            return refused.reason
        mine = [entry for entry in self.ledger.entries[first:] if (entry.source, entry.id) == (event.source, event.id)]
        self._events.charges[event] = charge_of(mine) or ChargeNow(self._account(), event.source, event.id, now_ms, [])
        return "booked"

    def _carry_out(self, command: Command, now_ms: int) -> str:
        """As a worker gets it: over the wire."""
        self._events.cost = command.content.cost if isinstance(command.content, Reprice) else 0
        answer = self._carrying.book(write_command(ACCOUNT, command), ACCOUNT.encode(), 0, now_ms)
        if isinstance(answer, Reject):
            return answer.reason
        return "booked" if answer else "dropped"

    def _account(self) -> Account:
        book = self.ledger.book(ACCOUNT)
        assert book is not None
        return book.row.account

    def _charged(self) -> int:
        book = self.ledger.book(ACCOUNT)
        return 0 if book is None else book.row.charged - book.row.refunded

    def _write(self) -> None:
        drained = self.ledger.drain()
        self.ledger.version += 1
        self.entries += drained.entries
        self.notices += drained.notices
        book = self.ledger.book(ACCOUNT)
        if book is not None:
            assert broken_laws(book) == []
            self.lots.update({lot.id: lot for lot in sorted(book.lots(), key=lambda lot: lot.effective_at_ms)})

    def _closed_bills(self) -> list[BillFacts]:
        bills = [each for each in self.notices if isinstance(each, Bill)]
        return [
            BillFacts(
                time_at(bill.period_start_ms),
                [
                    BillLineFacts(line.microcredits, amount, _corrected(line.period_start_ms, bill.period_start_ms))
                    for line, amount in zip(bill.lines, bill.amounts_minor, strict=True)
                ],
            )
            for bill in bills
        ]

    def _current_bill(self) -> BillFacts:
        book = self.ledger.book(ACCOUNT)
        assert book is not None
        start_ms = book.row.period_start_ms
        lines = [
            BillLineFacts(line.microcredits, amount_minor(line), _corrected(line.period_start_ms, start_ms))
            for line in book.row.bill
        ]
        return BillFacts(time_at(start_ms), lines)


def _anywhere(account: str) -> Reject | None:
    """The story has one partition."""
    return None


def postings_of(entries: list[Entry]) -> list[list[EntryFacts]]:
    """Entries of one cause and instant together, without those that move nothing."""
    postings: list[list[EntryFacts]] = []
    last: tuple[object, ...] = ()
    for entry in entries:
        cause = (entry.cause, entry.source, entry.id, entry.ingested_at_ms)
        if not entry.amount_microcredits:
            continue
        if cause != last:
            postings.append([])
        last = cause
        postings[-1].append(_entry_facts(entry))
    return postings


def _entry_facts(entry: Entry) -> EntryFacts:
    return EntryFacts(
        entry.kind,
        entry.amount_microcredits,
        entry.lot or None,
        entry.balance_microcredits,
        entry.late,
        time_at(entry.occurred_at_us // 1_000),
        time_at(entry.ingested_at_ms),
    )


def _corrected(period_start_ms: int, of_bill_ms: int) -> datetime | None:
    return None if period_start_ms == of_bill_ms else time_at(period_start_ms)


def _lot_facts(lot: Lot) -> LotFacts:
    ends = None if lot.expires_at_ms == NEVER_MS else time_at(lot.expires_at_ms)
    return LotFacts(lot.id, lot.kind, time_at(lot.effective_at_ms), ends, lot.held)

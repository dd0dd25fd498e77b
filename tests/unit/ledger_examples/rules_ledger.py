"""The rules of the ledger as they run in a worker, told the oracle's records and asked for the examples' facts.

Entries that move nothing (a plan was activated, a bill closed) are left out: the examples are about credits.
"""

from datetime import datetime
from fractions import Fraction

from schemas.identifiers import Account
from schemas.ledger import Entry, verify_chain
from schemas.lot import NEVER_MS, Lot
from schemas.notices import Alert, Bill, Notice, RefillRequest
from stream.rules.ledger.billing import amount_minor
from stream.rules.ledger.corrections import ChargeNow, charge_of
from stream.rules.ledger.laws import broken_laws
from stream.rules.ledger.ledger import Ledger
from stream.rules.ledger.posting import Cause
from stream.rules.outcome import Reject
from tests.simulation.ledger_oracle.records import Command, EventName, Record, Reprice, Usage, VoidEvent
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
from tests.unit.ledger_examples.rules_commands import Once, told


class RulesLedger:
    """One account of the rules' ledger; a checkpoint is written after every record."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.entries: list[Entry] = []
        self.notices: list[Notice] = []
        self.lots: dict[str, Lot] = {}
        self.rolled_up = 0
        self._charges: dict[EventName, ChargeNow] = {}
        self._free: set[EventName] = set()
        self._once = Once()

    def apply(self, record: Record) -> str:
        """Advance to the record's time, then book it."""
        now_ms = ms(record.ingested_at)
        self._go_to(now_ms, caught_up=not record.is_behind)
        charged_before = self._charged()
        answer = (
            self._use(record.body, now_ms) if isinstance(record.body, Usage) else self._carry_out(record.body, now_ms)
        )
        self._write()
        self.rolled_up += self._charged() - charged_before
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
        charge = charge_of(mine)
        if charge is None:
            self._free.add(event)
        self._charges[event] = charge or ChargeNow(self._account(), event.source, event.id, now_ms, [])
        return "booked"

    def _carry_out(self, command: Command, now_ms: int) -> str:
        refused = self._once.refuses(command, now_ms)
        if refused:
            return refused
        cause = Cause("command", command.source, command.id, 0, ms(command.time) * 1_000)
        content = command.content
        if isinstance(content, VoidEvent):
            found = self._charges.get(content.event)
            charge = None if content.event in self._free else found
            answer = self.ledger.void_event(ACCOUNT, charge, cause, now_ms, content.amount)
        elif isinstance(content, Reprice):
            answer = self._reprice(content, cause, now_ms)
        else:
            answer = self.ledger.command(ACCOUNT, told(content), cause, now_ms) or True
        if isinstance(answer, Reject):
            return answer.reason
        if answer is False:
            return "dropped"
        self._once.remember(command, now_ms)
        return "booked"

    def _reprice(self, content: Reprice, cause: Cause, now_ms: int) -> bool | Reject:
        charge = self._charges.get(content.event)
        if charge is None:
            return self.ledger.void_event(ACCOUNT, None, cause, now_ms)
        by_card = Cause(cause.kind, cause.source, cause.id, 0, cause.occurred_at_us, content.rate_card)
        self._free.discard(content.event)
        return self.ledger.reprice(charge, content.cost, by_card, now_ms)

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

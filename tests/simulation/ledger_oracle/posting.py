"""A posting: all entries of one cause, written one after the other into the account's chain."""

from dataclasses import replace
from datetime import datetime

from tests.simulation.ledger_oracle.entries import Entry, EntryKind, chained_hash, hashed_fields
from tests.simulation.ledger_oracle.records import Command, EventName, Payment
from tests.simulation.ledger_oracle.state import Account, Lot, LotKind

PRIORITIES: dict[LotKind, int] = {
    "plan": 10,
    "rollover": 10,
    "free": 20,
    "promotional": 20,
    "adjustment": 30,
    "top_up": 50,
    "refill": 50,
}


class Rejected(Exception):  # noqa: N818 - it is an answer, not an error of the oracle
    """A command that is not carried out, and why."""


class Posting:
    """Entries of one cause at one instant; the cause is an event, a command, or the clock when both are None."""

    def __init__(
        self,
        account: Account,
        now: datetime,
        *,
        event: EventName | None = None,
        command: Command | None = None,
        occurred_at: datetime | None = None,
        rate_card: str | None = None,
    ) -> None:
        self.account = account
        self.now = now
        self.event = event
        self.command = command
        self.occurred_at = occurred_at or now
        self.rate_card = rate_card
        self.entries: list[Entry] = []

    def write(
        self,
        kind: EntryKind,
        amount: int,
        lot: Lot | None = None,
        *,
        lot_effect: int = 0,
        owed_effect: int = 0,
        billed_effect: int = 0,
        is_late: bool = False,
    ) -> None:
        """One entry; an amount of 0 is none."""
        if amount:
            self._write(kind, amount, lot, lot_effect, owed_effect, billed_effect, is_late=is_late)

    def note(self, kind: EntryKind, lot: Lot | None = None) -> None:
        """An entry that moves nothing."""
        self._write(kind, 0, lot, 0, 0, 0, is_late=False)

    def _write(
        self,
        kind: EntryKind,
        amount: int,
        lot: Lot | None,
        lot_effect: int,
        owed_effect: int,
        billed_effect: int,
        *,
        is_late: bool,
    ) -> None:
        if lot is not None:
            lot.moved_at = self.now
        account = self.account
        account.sequence += 1
        account.balance += lot_effect - owed_effect
        entry = Entry(
            account=account.name,
            sequence=account.sequence,
            kind=kind,
            amount=amount,
            lot=lot.id if lot else None,
            event=f"{self.event.source}/{self.event.id}" if self.event else None,
            command=f"{self.command.source}/{self.command.id}" if self.command else None,
            rate_card=self.rate_card,
            is_late=is_late,
            lot_effect=lot_effect,
            owed_effect=owed_effect,
            billed_effect=billed_effect,
            balance_after=account.balance,
            occurred_at=self.occurred_at,
            ingested_at=self.now,
            hash="",
        )
        if account.keeps_entries:
            entry = replace(entry, hash=chained_hash(account.last_hash, hashed_fields(entry)))
            account.last_hash = entry.hash
            account.entries.append(entry)
        self.entries.append(entry)

    def open_lot(
        self,
        kind: LotKind,
        amount: int,
        *,
        id: str,  # noqa: A002
        priority: int | None = None,
        effective_at: datetime | None = None,
        expires_at: datetime | None = None,
        payment: Payment | None = None,
    ) -> Lot:
        """Credits are granted: a new lot holds them."""
        lot = Lot(
            id=id,
            kind=kind,
            priority=PRIORITIES[kind] if priority is None else priority,
            effective_at=effective_at or self.now,
            expires_at=expires_at,
            payment=payment,
            moved_at=self.now,
            granted=amount,
            held=amount,
        )
        self.account.lots.append(lot)
        self.account.granted_lots += 1
        self.account.totals.granted += amount
        if lot.is_usable(self.now):
            self.account.base += amount
        self.write("granted", amount, lot, lot_effect=amount)
        return lot

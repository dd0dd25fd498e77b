"""A small ledger as a worker would write it: accounts, lots, entries, notices, made by hand."""

from collections.abc import Iterable
from typing import Any

from msgspec import Raw

from schemas.account import AccountRow, BalanceRow, BillLine, Refill, RefillRequested
from schemas.codec import encode_json, encode_packed
from schemas.identifiers import Account, GrantId
from schemas.ledger import Entry, EntryKind, canonical_json, entry_hash, first_hash, pack_entries
from schemas.lot import NEVER_MS, PRIORITIES, Lot, LotKind
from schemas.notice_events import notice_event
from schemas.notices import Alert, Bill, RefillRequest
from schemas.plan import Plan, Policy, RefillPolicy

CREDIT = 1_000_000
DAY_MS = 86_400_000
SEPTEMBER_MS = 1_788_220_800_000
"""2026-09-01T00:00:00Z."""
OCTOBER_MS = SEPTEMBER_MS + 30 * DAY_MS
FOURTH_MS = SEPTEMBER_MS + 3 * DAY_MS
PRO = Plan(
    "pro",
    1_000 * CREDIT,
    currency="EUR",
    fee_minor=4_900,
    overage="billed",
    overage_price_micros=5 * CREDIT,
    line="pro",
)
"""1,000 credits a month; overage is billed at 5 cents a credit."""


def lot(
    name: str,
    kind: LotKind,
    granted: int,
    *,
    account: str = "acme",
    spent: int = 0,
    effective_at_ms: int = SEPTEMBER_MS,
    expires_at_ms: int = NEVER_MS,
    version: int = 1,
) -> Lot:
    """A lot of so many credits, of which some are spent; it began if it begins before the fourth of September."""
    return Lot(
        Account(account),
        GrantId(name),
        kind,
        PRIORITIES[kind],
        effective_at_ms,
        expires_at_ms,
        granted=granted * CREDIT,
        spent=spent * CREDIT,
        held=(granted - spent) * CREDIT,
        started=effective_at_ms <= FOURTH_MS,
        version=version,
    )


class Chain:
    """An account's entries, one after the other; amounts in credits, times in milliseconds since 1970, UTC."""

    def __init__(self, account: str = "acme") -> None:
        self.account = Account(account)
        self.entries: list[Entry] = []
        self.head = first_hash(account)
        self.balance = 0

    def granted(self, lot: str, amount: int, *, at_ms: int, command: str = "", detail: str = "") -> Entry:
        """Credits came by a command, or by the clock when none is named."""
        return self._add("granted", lot=amount, name=lot, at_ms=at_ms, command=command, detail=detail)

    def burned(self, lot: str, amount: int, *, at_ms: int, event: str, offset: int = 0) -> Entry:
        """An event burned a lot."""
        return self._add("burned", lot=-amount, name=lot, at_ms=at_ms, event=event, offset=offset)

    def billed(self, amount: int, *, at_ms: int, event: str, offset: int = 0) -> Entry:
        """An event that no lot covered goes on the bill."""
        return self._add("billed", billed=amount, at_ms=at_ms, event=event, offset=offset, detail="EUR")

    def owed(self, amount: int, *, at_ms: int, event: str, offset: int = 0) -> Entry:
        """An event that no lot covered is owed."""
        return self._add("owed", owed=amount, at_ms=at_ms, event=event, offset=offset, detail="carried")

    def refunded(self, lot: str, amount: int, *, at_ms: int, command: str, event: str) -> Entry:
        """A command gave an event's credits back to their lot."""
        return self._add("refunded", lot=amount, name=lot, at_ms=at_ms, command=command, detail=f"test {event}")

    def expired(self, lot: str, amount: int, *, at_ms: int) -> Entry:
        """The clock took what a lot held."""
        return self._add("expired", lot=-amount, name=lot, at_ms=at_ms)

    def batch(self, entries: Iterable[Entry] | None = None, *, version: int = 1, first: int = 0) -> bytes:
        """These entries, or all, as a record of credits.ledger."""
        packed = list(self.entries if entries is None else entries)
        previous, lines = [entry.previous for entry in packed], [canonical_json(entry) for entry in packed]
        return encode_packed(pack_entries(2, version, first, previous, lines))

    def _add(
        self,
        kind: EntryKind,
        *,
        at_ms: int,
        lot: int = 0,
        owed: int = 0,
        billed: int = 0,
        name: str = "",
        event: str = "",
        command: str = "",
        offset: int = 0,
        detail: str = "",
    ) -> Entry:
        self.balance += (lot - owed) * CREDIT
        entry = Entry(
            self.account,
            len(self.entries) + 1,
            kind,
            lot * CREDIT,
            owed * CREDIT,
            billed * CREDIT,
            self.balance,
            name,
            "event" if event else "command" if command else "clock",
            "test" if event else "billing" if command else "",
            event or command,
            offset,
            "2026-01" if event else "",
            at_ms * 1_000 if event or command else 0,
            at_ms + (100 if event or command else 0),
            detail=detail,
            booked_at_ms=at_ms + 200,
            previous=self.head,
        )
        if kind == "billed":
            entry.price_micros, entry.period_start_ms = PRO.overage_price_micros, SEPTEMBER_MS
        self.head = entry_hash(entry)
        self.entries.append(entry)
        return entry


def account_row(chain: Chain, *, lots: Iterable[Lot] = (), version: int = 1, **fields: Any) -> AccountRow:
    """The account as these entries leave it, with lots that may not have begun; other fields as they are named."""
    row = AccountRow(
        chain.account,
        sequence=len(chain.entries),
        head=chain.head,
        unstarted=sum(each.held for each in lots if not each.started),
        balance=chain.balance,
        opened_at_ms=SEPTEMBER_MS,
        updated_at_ms=FOURTH_MS,
        version=version,
    )
    for entry in chain.entries:
        row.owed += entry.owed_microcredits
        row.billed += entry.billed_microcredits
        row.granted += entry.lot_microcredits if entry.kind == "granted" else 0
        row.burned -= entry.lot_microcredits if entry.kind in ("burned", "refunded") else 0
        row.expired -= entry.lot_microcredits if entry.kind == "expired" else 0
        row.charged += entry.amount_microcredits if entry.kind in ("burned", "owed", "billed") else 0
        row.refunded += entry.lot_microcredits if entry.kind == "refunded" else 0
    row.held = row.balance + row.owed
    for name, value in fields.items():
        setattr(row, name, value)
    return row


def packed(row: AccountRow | Lot) -> bytes:
    """A row as its changelog has it: of an account, as it is after a posting."""
    if isinstance(row, Lot):
        return encode_packed(row)
    return encode_packed(
        BalanceRow(
            row.account,
            row.version,
            0,
            False,
            row.remaining,
            0,
            row.sequence,
            row.head,
            row.events,
            row.messages,
            row.updated_at_ms,
            "" if row.first_lot else "refused",
            Raw(encode_packed(row)),
        )
    )


def notice(told: Alert | RefillRequest | Bill, *, version: int = 1) -> bytes:
    """A notice as its topic has it."""
    return encode_json(notice_event(told, 2, version))


def low_alert(number: int, *, at_ms: int = FOURTH_MS, account: str = "acme") -> Alert:
    """Remaining fell below a fifth."""
    return Alert(
        f"alert-{number}",
        Account(account),
        "threshold",
        150 * CREDIT,
        "enforce",
        at_ms,
        threshold="20%",
        level=200 * CREDIT,
    )


def asked(number: int, attempt: int, *, at_ms: int = FOURTH_MS, account: str = "acme") -> RefillRequest:
    """A request of 100 credits."""
    return RefillRequest(f"refill-{number}", Account(account), number, 100 * CREDIT, attempt, 40 * CREDIT, at_ms)


def closed_bill(*, account: str = "acme") -> Bill:
    """Of August: 30 credits of its own, 2 back for July."""
    july, august = SEPTEMBER_MS - 62 * DAY_MS, SEPTEMBER_MS - 31 * DAY_MS
    lines = (BillLine(august, 5 * CREDIT, "EUR", 30 * CREDIT), BillLine(july, 5 * CREDIT, "EUR", -2 * CREDIT))
    return Bill(Account(account), "pro", august, SEPTEMBER_MS, lines, (150, -10))


def refilling(*, state: str = "requested") -> dict[str, Any]:
    """Fields of an account that refills below 50 credits by 100: one request paid, one declined, one open."""
    requests = [
        RefillRequested(1, 100 * CREDIT, SEPTEMBER_MS, "paid"),
        RefillRequested(2, 100 * CREDIT, FOURTH_MS - DAY_MS, "declined"),
        RefillRequested(3, 100 * CREDIT, FOURTH_MS),
    ]
    refill = Refill(number=3, attempts=2, due_at_ms=FOURTH_MS + 900_000, requests=requests)
    refill.state = "requested" if state == "requested" else "idle"
    return {"policy": Policy(refill=RefillPolicy(50 * CREDIT, 100 * CREDIT), mode="enforce"), "refill": refill}

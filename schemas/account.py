"""An account of the ledger: running totals, plan and policy, and its row in the changelog, below 2 KB."""

from typing import Literal

import msgspec
from msgspec import Struct

from schemas.identifiers import Account
from schemas.lot import PRIORITIES, Lot, free_grant_name
from schemas.plan import Plan, Policy

RefillState = Literal["idle", "requested", "waiting", "suspended"]
RequestState = Literal["open", "declined", "paid"]

CONTROL_KEY_PREFIX = b"\0"
"""Records of a changelog whose key starts with this byte are the engine's own: readers skip them."""


class BillLine(Struct, array_like=True, gc=False):
    """Overage at one price. `period_start_ms` names the period; another than the current one makes it a correction."""

    period_start_ms: int
    price_micros: int
    currency: str
    microcredits: int = 0


class Alarm(Struct, array_like=True, gc=False):
    """Whether a threshold will fire, and how often it was armed: both make its alert's id."""

    armed: bool = False
    number: int = 0


class RefillRequested(Struct, array_like=True, gc=False):
    """A request that may still be paid; its id is UUIDv5 of account and number."""

    number: int
    amount: int
    asked_at_ms: int
    state: RequestState = "open"


class Refill(Struct, array_like=True, gc=False):
    """Where auto-refill stands: the latest requests, and what was paid in the UTC month `month`."""

    state: RefillState = "idle"
    number: int = 0
    attempts: int = 0
    declines: int = 0
    due_at_ms: int = 0
    cap_told: bool = False
    month: int = 0
    month_amount: int = 0
    month_requests: int = 0
    requests: list[RefillRequested] = []


class AccountRow(Struct, array_like=True, gc=False):
    """Amounts in microcredits, times in milliseconds since 1970, UTC. New fields come at the end, with defaults.

    G granted, B burned net of restores, E expired net of reversals, V voided, H held, C charged, R refunded, O owed,
    M billed net of credits. `balance` is the sum of all entries' effects, `unstarted` what lots hold that have not
    begun. `beyond_*` counts what was booked while the gate was closed, `leaked_*` the part of it under enforcement.
    `first_lot` is the one that charges burn: it changes with nearly every row, and has a row of its own only for what
    it was while others came first.
    """

    account: Account
    version: int = 0
    held: int = 0
    unstarted: int = 0
    owed: int = 0
    sequence: int = 0
    head: bytes = b""
    granted: int = 0
    burned: int = 0
    expired: int = 0
    voided: int = 0
    charged: int = 0
    refunded: int = 0
    billed: int = 0
    balance: int = 0
    events: int = 0
    messages: int = 0
    grants: int = 0
    plan: Plan | None = None
    next_plan: Plan | None = None
    ends: bool = False
    period_start_ms: int = 0
    period_end_ms: int = 0
    period_days: int = 0
    renewed_start_ms: int = 0
    overage_used: int = 0
    bill: tuple[BillLine, ...] = ()
    lines: tuple[tuple[int, str], ...] = ()
    policy: Policy = Policy()
    base: int = 0
    alarms: tuple[Alarm, ...] = ()
    armings: int = 0
    gate_closed: bool = False
    gate_number: int = 0
    beyond_events: int = 0
    beyond_microcredits: int = 0
    leaked_events: int = 0
    leaked_microcredits: int = 0
    refill: Refill | None = None
    opened_at_ms: int = 0
    updated_at_ms: int = 0
    first_lot: Lot | None = None

    @property
    def remaining(self) -> int:
        """What usable lots hold less what is owed; below zero is overage."""
        return self.held - self.unstarted - self.owed

    @property
    def available(self) -> int:
        """What usable lots hold."""
        return self.held - self.unstarted


class Opening(Struct, frozen=True, array_like=True, gc=False):
    """All that tells one account from another that usage opened, free credits with it, before anything is posted."""

    opened_at_ms: int
    period_start_ms: int
    period_end_ms: int
    granted: int


NOTHING_POSTED = msgspec.Raw(msgspec.msgpack.encode(None))


class BalanceRow(Struct, array_like=True, gc=False):
    """An account as its changelog has it: absolute, so that writing it twice changes nothing.

    `posted` is the AccountRow, without its name, as the last posting left it, from `taken` to `updated_at_ms` what the
    charges since then moved, which burned its first lot and nothing else; without such a lot they were overage, by
    `overage`: refused, carried or billed. `account_of` puts both together. Nearly every checkpoint of an account writes
    another beginning before the same bytes. Where `posted` is nil, nothing was posted but what `opening` says.

    `due_at_ms` is when the clock has something to do, `asks` whether refills may be asked for: with what stands before
    and behind them, all that a worker looks at in every row when it takes a partition over.
    """

    account: Account
    version: int
    due_at_ms: int
    asks: bool
    remaining: int
    taken: int
    sequence: int
    head: bytes
    events: int
    messages: int
    updated_at_ms: int
    overage: Literal["", "refused", "carried", "billed"]
    posted: msgspec.Raw
    opening: Opening | None = None


class BalanceHead(Struct, array_like=True, gc=False):
    """The start of an account's row, read in a fraction of the time that the row takes."""

    account: Account
    version: int
    due_at_ms: int
    asks: bool
    remaining: int


decode_balance = msgspec.msgpack.Decoder(BalanceRow).decode
"""A row of the changelog as it is; msgspec.DecodeError for bytes that are none."""
_decode_posted = msgspec.msgpack.Decoder(AccountRow).decode


def account_of(value: bytes) -> AccountRow:
    """The account that a row of the changelog says; msgspec.DecodeError for bytes that are none."""
    return account_now(decode_balance(value))


def account_now(now: BalanceRow) -> AccountRow:
    """The account of a row that was read; msgspec.DecodeError where its posted part is none."""
    row = _decode_posted(now.posted) if now.opening is None else opened(now.account, now.opening)
    row.account, row.version, row.head = now.account, now.version, now.head
    line = None
    if now.overage == "billed" and row.plan is not None:
        line = find_line(row, row.period_start_ms, row.plan.overage_price_micros, row.plan.currency)
    row.sequence, row.messages, row.updated_at_ms = now.sequence, now.messages, now.updated_at_ms
    take(row, row.first_lot, line, now.taken, now.events, carries=now.overage in ("carried", "billed"))
    if row.first_lot is not None:
        row.first_lot.account = row.account
        if now.taken:
            row.first_lot.version = now.version
    return row


def opened(account: Account, opening: Opening) -> AccountRow:
    """The account as posting its free credits would have left it: a grant, and an alarm armed at nothing left.

    Rows in changelogs are read by it: what else posting comes to leave goes into `Opening`, with a default.
    """
    at_ms, granted = opening.opened_at_ms, opening.granted
    return AccountRow(
        account,
        sequence=1,
        held=granted,
        granted=granted,
        balance=granted,
        base=granted,
        grants=1,
        alarms=(Alarm(armed=True, number=1),),
        armings=1,
        period_start_ms=opening.period_start_ms,
        period_end_ms=opening.period_end_ms,
        opened_at_ms=at_ms,
        updated_at_ms=at_ms,
        first_lot=Lot(
            account,
            free_grant_name(account),
            "free",
            PRIORITIES["free"],
            at_ms,
            granted=granted,
            held=granted,
            started=True,
        ),
    )


def take(row: AccountRow, lot: Lot | None, line: BillLine | None, taken: int, events: int, *, carries: bool) -> None:
    """Let a row follow charges of so much in all, up to so many events, that burned one lot or were overage."""
    more_events = events - row.events
    row.events = events
    row.charged += taken
    if lot is not None:
        lot.held -= taken
        lot.spent += taken
        row.burned += taken
        row.held -= taken
        row.balance -= taken
        return
    if row.gate_closed:
        row.beyond_events += more_events
        row.beyond_microcredits += taken
        if row.policy.mode == "enforce":
            row.leaked_events += more_events
            row.leaked_microcredits += taken
    if carries:
        row.overage_used += taken
    if line is not None:
        line.microcredits += taken
        row.billed += taken
    else:
        row.owed += taken
        row.balance -= taken


def find_line(row: AccountRow, period_start_ms: int, price_micros: int, currency: str) -> BillLine | None:
    """The current bill's line for that period and price."""
    for line in row.bill:
        if (line.period_start_ms, line.price_micros, line.currency) == (period_start_ms, price_micros, currency):
            return line
    return None

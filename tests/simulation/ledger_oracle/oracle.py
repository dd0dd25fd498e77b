"""One partition's ledger: records in, in the order of their booking; timers fire between them."""

from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush
from typing import Literal, NamedTuple

from tests.simulation.ledger_oracle import equations
from tests.simulation.ledger_oracle.burning import burn
from tests.simulation.ledger_oracle.commands import Dropped, carry_out
from tests.simulation.ledger_oracle.entries import Entry
from tests.simulation.ledger_oracle.plans import fire_lots_and_period
from tests.simulation.ledger_oracle.posting import Posting, Rejected
from tests.simulation.ledger_oracle.records import CREDIT, Command, EventName, Record, Usage
from tests.simulation.ledger_oracle.refill import Asked, evaluate_refill, fire_refill_timers, next_refill_timer
from tests.simulation.ledger_oracle.state import Account, Charge
from tests.simulation.ledger_oracle.telling import Alert, count_leak, tell_gate, tell_thresholds

FREE_GRANT = 500 * CREDIT


class Answer(NamedTuple):
    """What became of a record; `reason` is why it was rejected."""

    outcome: Literal["booked", "dropped", "rejected"]
    reason: str = ""


BOOKED, DROPPED = Answer("booked"), Answer("dropped")


class Oracle:
    """The slow, obviously right model of the rules of credits; it checks its equations after every posting.

    With `on_entry` it is less slow: it hands entries on in place of keeping and chaining them, and leaves the checks
    to whoever asks for them. It then remembers the charges of those events alone that `remembers` names.
    """

    def __init__(
        self,
        on_entry: Callable[[Entry], None] | None = None,
        remembers: Callable[[EventName], bool] | None = None,
    ) -> None:
        self.accounts: dict[str, Account] = {}
        self.alerts: list[Alert] = []
        self.refill_requests: list[Asked] = []
        self.clock: datetime | None = None
        self._on_entry = on_entry
        self._remembers = remembers
        self._is_behind = False
        self._timers: list[tuple[datetime, str]] = []

    def apply(self, record: Record) -> Answer:
        """Books one record at its append time, once every timer due at or before that time has fired."""
        now = self.advance(record.ingested_at, is_behind=record.is_behind)
        known = self.accounts.get(record.account)
        account = known or Account(record.account, now, keeps_entries=self._on_entry is None)
        before, mode_before, refill_before = account.remaining, account.mode, account.refill.state
        try:
            posting = self._book(account, now, record.body)
        except Dropped:
            return DROPPED
        except Rejected as rejected:
            reason = str(rejected)
            if reason == "unknown_refill":
                self.alerts.append(Alert(record.account, "refill_unknown", now, record.is_behind))
            return Answer("rejected", reason)
        self.accounts[record.account] = account
        if account.refill.state == "suspended" != refill_before:
            self.alerts.append(Alert(record.account, "refill_suspended", now, record.is_behind))
        self._finish(posting, before, mode_before, is_behind=record.is_behind)
        return BOOKED

    def advance(self, to: datetime, *, is_behind: bool = False) -> datetime:
        """The clock goes on, never back: what is due fires in order. Answers the clock's time.

        A clock that was behind has caught up when it arrives, not on the way.
        """
        now = self.clock = to if self.clock is None else max(to, self.clock)
        was_behind, self._is_behind = self._is_behind, is_behind
        if is_behind or was_behind:
            self._fire_behind(now)
        else:
            while self._timers and self._timers[0][0] <= now:
                due, name = heappop(self._timers)
                account = self.accounts[name]
                if due == _next_timer(account, is_behind=False):
                    self._fire(account, due, is_behind=False)
        if was_behind and not is_behind:
            for name in sorted(self.accounts):
                account = self.accounts[name]
                self.refill_requests += fire_refill_timers(account, now)
                self._evaluate_refill(account, now, is_behind=False)
                self._remind(account)
        return now

    def check(self) -> None:
        """The equations of every account, at the clock's time."""
        for account in self.accounts.values():
            equations.check(Posting(account, account.clock))

    def _fire_behind(self, now: datetime) -> None:
        for name in sorted(self.accounts):
            account = self.accounts[name]
            while (due := _next_timer(account, is_behind=True)) <= now:
                self._fire(account, due, is_behind=True)

    def _book(self, account: Account, now: datetime, body: Usage | Command) -> Posting:
        if isinstance(body, Command):
            posting = Posting(account, now, command=body, occurred_at=body.time)
            carry_out(posting, body)
            return posting
        posting = Posting(account, now, event=body.event, occurred_at=body.occurred_at, rate_card=body.rate_card)
        if account.name not in self.accounts:
            posting.open_lot("free", FREE_GRANT, id=f"free:{account.name}")
        hour = body.occurred_at.replace(minute=0, second=0, microsecond=0)
        rollup = (hour, body.channel, body.agent, body.node)
        charge = Charge(body.event, body.occurred_at, now, body.rate_card, rollup, 0, is_free=body.cost == 0)
        if self._remembers is None or self._remembers(body.event):
            account.charges[body.event] = charge
        count_leak(account, body.cost)
        burn(posting, charge, body.cost, occurred_at=body.occurred_at)
        return posting

    def _fire(self, account: Account, now: datetime, *, is_behind: bool) -> None:
        if not is_behind:
            self.refill_requests += fire_refill_timers(account, now)
        if now == _next_booking(account):
            posting = Posting(account, now)
            before = account.remaining
            fire_lots_and_period(posting)
            self._finish(posting, before, account.mode, is_behind=is_behind)
        else:
            self._evaluate_refill(account, now, is_behind=is_behind)
            self._remind(account)

    def _finish(self, posting: Posting, before: int, mode_before: str, *, is_behind: bool) -> None:
        """After the last entry of a posting, once: Remaining, thresholds, gate, refill."""
        account, now = posting.account, posting.now
        account.clock = now
        account.remaining = account.available(now) - account.owed()
        if self._on_entry is None:
            equations.check(posting)
            if posting.entries:
                account.postings.append(posting.entries)
        else:
            for entry in posting.entries:
                self._on_entry(entry)
        self.alerts += tell_thresholds(account, now, before, is_delayed=is_behind)
        self.alerts += tell_gate(account, now, mode_before, is_delayed=is_behind)
        self._evaluate_refill(account, now, is_behind=is_behind)
        self._remind(account)

    def _evaluate_refill(self, account: Account, now: datetime, *, is_behind: bool) -> None:
        if is_behind:
            return
        asked, alerts = evaluate_refill(account, now)
        self.refill_requests += asked
        self.alerts += alerts

    def _remind(self, account: Account) -> None:
        """A timer that is no account's next one any more is passed over when its time comes."""
        due = _next_timer(account, is_behind=False)
        if due != account.due:
            account.due = due
            heappush(self._timers, (due, account.name))


def _next_timer(account: Account, *, is_behind: bool) -> datetime:
    """The first instant after the account's last at which anything happens by itself.

    Refills that come due while the clock is behind are looked at once, when it has caught up.
    """
    booking = _next_booking(account)
    refill = None if is_behind else next_refill_timer(account)
    return booking if refill is None else min(booking, max(refill, account.clock))


def _next_booking(account: Account) -> datetime:
    """When a lot or a period starts or ends."""
    due = [account.period.end]
    due += [lot.expires_at for lot in account.lots if lot.expires_at and not lot.has_expired]
    due += [lot.effective_at for lot in account.lots if lot.effective_at > account.clock]
    return min(due)

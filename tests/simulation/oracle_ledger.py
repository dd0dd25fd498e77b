"""The ledger of one partition, booked by the oracle of credits, as the figures that a system must show."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from schemas.dead_letter import Reason
from tests.simulation.ledger_oracle.entries import Entry
from tests.simulation.ledger_oracle.oracle import Answer, Oracle
from tests.simulation.ledger_oracle.plans import line_at
from tests.simulation.ledger_oracle.records import (
    Command,
    EventName,
    Plan,
    Record,
    RefillPolicy,
    Reprice,
    SetPolicy,
    Usage,
    VoidEvent,
)
from tests.simulation.ledger_oracle.refill import Asked
from tests.simulation.ledger_oracle.state import Account, Bill, BillLine, Lot
from tests.simulation.ledger_oracle.telling import Alert
from tests.simulation.ledger_oracle.wire_reading import read_command
from tests.simulation.oracle_json import Rejected
from tests.simulation.oracle_numbers import MICROS
from tests.simulation.oracle_prices import DEFAULT_LINE
from tests.simulation.oracle_records import (
    AlertFacts,
    BalanceTotals,
    BillFacts,
    EntryFacts,
    EntryKey,
    Expected,
    LotKey,
    LotTotals,
    RefillFacts,
)
from tests.simulation.oracle_records import BillLine as ShownLine

LARGEST_TOTAL = 4 * 10**18
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class _Counted:
    events: int = 0
    messages: int = 0


class Correction(NamedTuple):
    """What a command did to an event's charge; the rollup of that event follows."""

    event: EventName
    more: int


class LedgerBooks:
    """Books priced usage and commands, and shows every account."""

    def __init__(self, expected: Expected, remembers: Callable[[EventName], bool] | None) -> None:
        self._expected = expected
        self.oracle = Oracle(self._write, remembers)
        self._counted: defaultdict[str, _Counted] = defaultdict(_Counted)
        self.had_refill_policies: set[str] = set()

    def line_at(self, account: str, occurred_at_us: int) -> str:
        """The line of rate cards of the plan in force then."""
        known = self.oracle.accounts.get(account)
        return line_at(known, moment(occurred_at_us)) if known is not None and known.lines else DEFAULT_LINE

    def advance(self, now_ms: int) -> None:
        """Timers fire until then."""
        self.oracle.advance(moment(1_000 * now_ms))

    def book_usage(
        self, account: str, event: EventName, cost: int, messages: int, rate_card: str, occurred_at_us: int, now_ms: int
    ) -> None:
        """Rejected when the account would have used more than it may."""
        self.advance(now_ms)
        known = self.oracle.accounts.get(account)
        if known is not None and known.totals.charged + cost > LARGEST_TOTAL:
            raise Rejected(Reason.COST_TOO_LARGE)
        used = Usage(event, moment(occurred_at_us), cost, rate_card)
        answer = self.oracle.apply(Record(account, moment(1_000 * now_ms), used))
        assert answer.outcome == "booked", f"usage is always booked, not {answer}"
        counted = self._counted[account]
        counted.events += 1
        counted.messages += messages

    def book_command(
        self, value: bytes, now_ms: int, cost_by_card: Callable[[str, Reprice], int]
    ) -> tuple[Answer, Correction | None]:
        """What became of a command that can be read, and what it corrected."""
        self.advance(now_ms)
        account, command = read_command(value, repriced_cost=0)
        if isinstance(command.content, Reprice):
            command = replace(command, content=_priced(account, command.content, cost_by_card))
        before = self._cost_now(account, command)
        answer = self.oracle.apply(Record(account, moment(1_000 * now_ms), command))
        if answer.outcome == "booked" and isinstance(command.content, SetPolicy):
            if isinstance(command.content.refill, RefillPolicy):
                self.had_refill_policies.add(account)
        elif answer.outcome == "booked" and isinstance(command.content, VoidEvent | Reprice):
            return answer, Correction(command.content.event, self._cost_now(account, command) - before)
        return answer, None

    def show(self) -> None:
        """Puts everything that accounts are and were told into what is expected."""
        expected, oracle = self._expected, self.oracle
        for name, account in oracle.accounts.items():
            expected.balances[name] = self._totals(account)
            for lot in account.lots:
                expected.lots[LotKey(name, lot.id)] = _lot(lot)
            expected.bills[name] = [_bill(bill) for bill in account.bills if any(line.credits for line in bill.lines)]
        alerts: defaultdict[str, list[AlertFacts]] = defaultdict(list)
        for alert in oracle.alerts:
            alerts[alert.account].append(_alert(alert))
        expected.alerts |= {name: sorted(facts) for name, facts in alerts.items()}
        refills: defaultdict[str, list[RefillFacts]] = defaultdict(list)
        for asked in oracle.refill_requests:
            refills[asked.account].append(_asked(asked))
        expected.refills |= refills

    def _write(self, entry: Entry) -> None:
        self._expected.entries[EntryKey(entry.account, entry.sequence)] = EntryFacts(
            entry.kind,
            entry.lot or "",
            entry.lot_effect,
            entry.owed_effect,
            entry.billed_effect,
            entry.balance_after,
            entry.command or entry.event or "",
            entry.rate_card or "",
            entry.is_late,
            microseconds(entry.occurred_at),
            milliseconds(entry.ingested_at),
        )

    def _cost_now(self, account: str, command: Command) -> int:
        known = self.oracle.accounts.get(account)
        if known is None or not isinstance(command.content, VoidEvent | Reprice):
            return 0
        charge = known.charges.get(command.content.event)
        return 0 if charge is None else charge.now

    def _totals(self, account: Account) -> BalanceTotals:
        totals, counted, plan = account.totals, self._counted[account.name], account.plan
        scheduled = account.scheduled
        return BalanceTotals(
            granted=totals.granted,
            charged=totals.charged,
            events=counted.events,
            messages=counted.messages,
            grants=account.granted_lots,
            burned=totals.burned,
            expired=totals.expired,
            voided=totals.voided,
            refunded=totals.refunded,
            owed=account.owed(),
            billed=account.billed(),
            held=account.held(),
            remaining=account.remaining,
            sequence=account.sequence,
            mode=account.mode,
            plan=plan.id if plan else "",
            next_plan=scheduled.id if isinstance(scheduled, Plan) else "",
            ends=scheduled == "cancel",
            period_start_ms=milliseconds(account.period.start) if plan else 0,
            period_end_ms=milliseconds(account.period.end) if plan else 0,
            overage=account.overage_in_period if plan else 0,
            bill=_lines(account.bill),
            gate_closed=account.is_gate_closed,
            beyond_events=account.leaked.events + account.would_have_leaked.events,
            beyond_microcredits=account.leaked.credits + account.would_have_leaked.credits,
            leaked_events=account.leaked.events,
            leaked_microcredits=account.leaked.credits,
            refill=account.refill.state if account.refill.policy is not None else "",
        )


def _priced(account: str, content: Reprice, cost_by_card: Callable[[str, Reprice], int]) -> Reprice:
    try:
        return replace(content, cost=cost_by_card(account, content))
    except Rejected as rejected:
        return replace(content, unpriced=rejected.reason.value)


def moment(microseconds_: int) -> datetime:
    """So many after 1970."""
    return _EPOCH + timedelta(microseconds=microseconds_)


def microseconds(time: datetime) -> int:
    """After 1970."""
    return (time - _EPOCH) // _MICROSECOND


def milliseconds(time: datetime) -> int:
    """After 1970."""
    return microseconds(time) // 1_000


def _lot(lot: Lot) -> LotTotals:
    return LotTotals(
        lot.kind,
        lot.priority,
        milliseconds(lot.effective_at),
        0 if lot.expires_at is None else milliseconds(lot.expires_at),
        lot.granted,
        lot.rolled_in,
        lot.spent,
        lot.expired,
        lot.voided,
        lot.rolled_out,
        lot.held,
        lot.repaid,
        lot.is_voided,
        lot.payment.reference if lot.payment else "",
    )


def _bill(bill: Bill) -> BillFacts:
    lines = sorted(
        ((_line(line, bill), line.amount_minor()) for line in bill.lines if line.credits), key=lambda each: each[0]
    )
    return BillFacts(
        milliseconds(bill.start),
        milliseconds(bill.end),
        bill.plan,
        tuple(line for line, _ in lines),
        tuple(amount for _, amount in lines),
    )


def _lines(bill: Bill) -> tuple[ShownLine, ...]:
    return tuple(sorted(_line(line, bill) for line in bill.lines if line.credits))


def _line(line: BillLine, bill: Bill) -> ShownLine:
    return ShownLine(milliseconds(line.corrects or bill.start), int(line.price * MICROS), line.currency, line.credits)


def _alert(alert: Alert) -> AlertFacts:
    threshold = ""
    if alert.threshold is not None:
        percent, credits_ = alert.threshold.percent, alert.threshold.credits
        threshold = f"{percent}%" if percent is not None else str(credits_)
    level = 0 if alert.level is None else alert.level // 1
    return AlertFacts(milliseconds(alert.at), alert.kind, threshold, level, alert.on_set, alert.is_delayed)


def _asked(asked: Asked) -> RefillFacts:
    return RefillFacts(milliseconds(asked.at), asked.id, asked.attempt, asked.amount)

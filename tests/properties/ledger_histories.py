"""Random histories of one account: whatever is drawn is a record that a ledger may book, drop or reject."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from hypothesis import strategies as st

from tests.simulation.ledger_oracle.records import (
    ActivatePlan,
    Adjust,
    CancelPlan,
    ChangePlan,
    Command,
    Content,
    EventName,
    Grant,
    LotTerms,
    Overage,
    Payment,
    Plan,
    Record,
    RefillDeclined,
    RefillPaid,
    RefillPolicy,
    Renew,
    Reprice,
    Rollover,
    SetPolicy,
    Threshold,
    TopUp,
    Usage,
    VoidEvent,
    VoidGrant,
)
from tests.unit.ledger_examples.adapter import ACCOUNT, Ledger

START = datetime(2025, 11, 17, 9, tzinfo=UTC)
_STEPS = [timedelta(0)] * 8 + [
    timedelta(milliseconds=1),
    timedelta(minutes=20),
    timedelta(hours=5),
    timedelta(days=1),
    timedelta(days=4),
    timedelta(days=9),
    timedelta(days=40),
]
_OVERAGES = [
    Overage(),
    Overage("carried"),
    Overage("carried", 30),
    Overage("billed", None, Fraction(3, 2)),
    Overage("billed", 40, Fraction(5, 2)),
]
_LARGEST = 120


class Drawn(NamedTuple):
    """One operation before it is known what there is to name: `which` picks, `amount` is in microcredits."""

    kind: str
    after: timedelta
    amount: int
    which: int


class History:
    """Plays what is drawn against a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = START
        self.records: list[Record] = []
        self.answers: list[str] = []
        self.events: list[EventName] = []

    def play(self, drawn: Drawn) -> None:
        """Books one record, or lets the clock go on."""
        self.now += drawn.after
        if drawn.kind == "wait":
            self.ledger.advance(self.now)
        elif drawn.kind == "again":
            self._apply(self._said_before(drawn.which))
        elif drawn.kind in ("use", "use_behind"):
            self._apply(self._usage(drawn), is_behind=drawn.kind == "use_behind")
        else:
            number = len(self.answers)
            self._apply(Command("history", f"c{number}", self.now, _CONTENTS[drawn.kind](self, drawn)))

    def refund_everything(self) -> None:
        """A void of every event there was."""
        for event in self.events:
            self._apply(Command("history", f"c{len(self.answers)}", self.now, VoidEvent(event)))

    def _said_before(self, which: int) -> Command:
        """A command that is sent again, or one that does nothing when there was none."""
        commands = [record.body for record in self.records if isinstance(record.body, Command)]
        nothing = Command("history", "c0", self.now, VoidEvent(EventName("runtime", "none")))
        return commands[-1 - which % len(commands)] if commands else nothing

    def _apply(self, body: Usage | Command, *, is_behind: bool = False) -> None:
        record = Record(ACCOUNT, self.now, body, is_behind)
        self.records.append(record)
        self.answers.append(self.ledger.apply(record))

    def _usage(self, drawn: Drawn) -> Usage:
        event = EventName("runtime", f"e{len(self.events)}", 0, len(self.events))
        self.events.append(event)
        return Usage(event, self.now - timedelta(hours=[0, 1, 20, 90, 400][drawn.which % 5]), drawn.amount)

    def event(self, which: int) -> EventName:
        """One of those that were used, mostly a late one."""
        return self.events[-1 - which % len(self.events)] if self.events else EventName("runtime", "none")

    def lot(self, which: int) -> str:
        """The id of a lot that there was."""
        books = self.ledger.books()
        return books.lots[which % len(books.lots)].id if books and books.lots else "none"

    def request(self, which: int) -> str:
        """The id of a refill that was asked for."""
        requests = self.ledger.refill_requests()
        return requests[-1 - which % len(requests)][0] if requests else "none"


def _plan(drawn: Drawn) -> Plan:
    which = drawn.which
    return Plan(
        f"plan-{which}",
        drawn.amount,
        anchor_day=[1, 1, 1, 15][which % 4],
        rollover=[None, Rollover(50, 1), Rollover(80, 2)][which % 3],
        overage=_OVERAGES[which % len(_OVERAGES)],
        currency="EUR",
        renews="on_payment" if which % 2 == 0 else "by_clock",
    )


def _terms(history: History, drawn: Drawn) -> LotTerms:
    days = timedelta(days=drawn.which % 9)
    return [
        LotTerms(),
        LotTerms(expires_at=history.now + days),
        LotTerms(effective_at=history.now + days),
        LotTerms(drawn.which % 100, history.now + days, history.now + 2 * days),
    ][drawn.which % 4]


def _policy(drawn: Drawn) -> SetPolicy:
    levels = (Threshold(credits=drawn.amount), Threshold(percent=Fraction(1 + drawn.which % 100)))
    return [
        SetPolicy(thresholds=levels),
        SetPolicy(mode="enforce", overage="waive"),
        SetPolicy(mode="observe"),
        SetPolicy(mode="enforce", overage="keep", refill="off"),
        SetPolicy(refill=RefillPolicy(drawn.amount, 25, 500, 9)),
        SetPolicy(refill=RefillPolicy(drawn.amount, 10)),
    ][drawn.which % 6]


def _void_grant(history: History, drawn: Drawn) -> VoidGrant:
    lot = history.lot(drawn.which)
    return [
        VoidGrant(lot, "owe"),
        VoidGrant(lot, "keep"),
        VoidGrant(lot),
        VoidGrant(lot, amount=drawn.amount),
    ][drawn.which % 4]


def _renew(history: History, drawn: Drawn) -> Renew:
    """The period that is now, or one that may be the next."""
    books = history.ledger.books()
    if books is not None and drawn.which % 2:
        return Renew(books.bills[-1].start.date())
    month = history.now.date().replace(day=1) + timedelta(days=31)
    return Renew(month.replace(day=[1, 15][drawn.which % 4 // 2]))


def _name(history: History) -> str:
    return f"g{len(history.answers)}"


_CONTENTS: dict[str, Callable[[History, Drawn], Content]] = {
    "activate": lambda _, drawn: ActivatePlan(_plan(drawn), "waive" if drawn.which % 5 == 0 else "keep"),
    "change": lambda _, drawn: ChangePlan(_plan(drawn), "once" if drawn.which % 3 else "period_end"),
    "cancel": lambda _, drawn: CancelPlan("period_end" if drawn.which % 3 else "once"),
    "renew": _renew,
    "grant": lambda history, drawn: Grant(_name(history), drawn.amount, _terms(history, drawn)),
    "top_up": lambda history, drawn: TopUp(_name(history), drawn.amount, Payment(_name(history))),
    "void_grant": _void_grant,
    "adjust": lambda history, drawn: Adjust(_name(history), drawn.amount - 60, "put right", "mia"),
    "policy": lambda _, drawn: _policy(drawn),
    "pay": lambda history, drawn: RefillPaid(history.request(drawn.which % 3), Payment(_name(history))),
    "decline": lambda history, drawn: RefillDeclined(history.request(drawn.which % 2), retry=drawn.which % 5 > 0),
    "reprice": lambda history, drawn: Reprice(history.event(drawn.which), f"v{drawn.which % 3}", drawn.amount),
    "refund": lambda history, drawn: VoidEvent(
        history.event(drawn.which), drawn.amount // 3 if drawn.which % 3 == 0 else None
    ),
}
KINDS = ["wait", "again", "use_behind", *["use"] * 8, *["activate"] * 3, "change", "renew", *_CONTENTS]


def histories(
    *, size: int, without: tuple[str, ...] = (), longest_step: timedelta = _STEPS[-1]
) -> st.SearchStrategy[list[Drawn]]:
    """Lists of so many operations."""
    drawn = st.builds(
        Drawn,
        st.sampled_from([kind for kind in KINDS if kind not in without]),
        st.sampled_from([step for step in _STEPS if step <= longest_step]),
        st.integers(0, _LARGEST),
        st.integers(0, 999),
    )
    return st.lists(drawn, min_size=size, max_size=size)

"""The oracle and the rules side by side: one history told to both, and what each of them shows, under common names.

Each gives its own names to the lots and requests that it makes itself: here they are known by their order.
"""

from dataclasses import replace
from datetime import datetime

from tests.simulation.ledger_oracle.records import Command, Record, RefillDeclined, RefillPaid, VoidGrant
from tests.unit.ledger_examples.adapter import AlertFacts, Books, Ledger, OracleLedger
from tests.unit.ledger_examples.rules_ledger import RulesLedger

_MADE_BY_LEDGERS = ("free", "plan", "refill", "adjustment")


def common_names(books: Books | None) -> dict[str, str]:
    """Lots by their ids: `plan 1`, `rollover of plan 1`; lots that a command named keep that name."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    if books is None:
        return names
    kinds = {lot.id: lot.kind for lot in books.lots}
    granted = [entry.lot for posting in books.postings for entry in posting if entry.kind == "granted" and entry.lot]
    for lot in granted:
        kind = kinds[lot]
        is_own = kind in _MADE_BY_LEDGERS and (kind != "adjustment" or ":" in lot)
        counts[kind] = counts.get(kind, 0) + is_own
        names[lot] = f"{kind} {counts[kind]}" if is_own else lot
    for lot, kind in kinds.items():
        if kind == "rollover":
            names[lot] = f"rollover of {names[lot.removeprefix('rollover:')]}"
    return names


def request_ids(ledger: Ledger) -> list[str]:
    """In the order in which they were asked first."""
    return list(dict.fromkeys(id_ for id_, _ in ledger.refill_requests()))


class Both:
    """The oracle as a ledger; the rules are told what it is told, in their own names."""

    def __init__(self) -> None:
        self.oracle = OracleLedger()
        self.rules = RulesLedger()
        self.answers: list[str] = []

    def apply(self, record: Record) -> str:
        """The oracle's answer; that of the rules is kept."""
        translated = self._translated(record)
        self.answers.append(self.rules.apply(translated))
        return self.oracle.apply(record)

    def advance(self, to: datetime) -> None:
        """Both clocks go on."""
        self.oracle.advance(to)
        self.rules.advance(to)

    def check(self) -> None:
        """Both find their own books right."""
        self.oracle.check()
        self.rules.check()

    def books(self) -> Books | None:
        """The oracle's."""
        return self.oracle.books()

    def alerts(self) -> list[AlertFacts]:
        """The oracle's."""
        return self.oracle.alerts()

    def refill_requests(self) -> list[tuple[str, int]]:
        """The oracle's."""
        return self.oracle.refill_requests()

    def _translated(self, record: Record) -> Record:
        body = record.body
        if not isinstance(body, Command):
            return record
        content = body.content
        if isinstance(content, VoidGrant):
            name = common_names(self.oracle.books()).get(content.grant)
            found = [lot for lot, each in common_names(self.rules.books()).items() if each == name]
            content = replace(content, grant=found[0] if found else content.grant)
        elif isinstance(content, RefillPaid | RefillDeclined) and content.request in (ids := request_ids(self.oracle)):
            content = replace(content, request=request_ids(self.rules)[ids.index(content.request)])
        return replace(record, body=replace(body, content=content))


def shown(ledger: Ledger) -> dict[str, object]:
    """Everything that a ledger shows, part by part."""
    books, ids = ledger.books(), request_ids(ledger)
    facts: dict[str, object] = {
        "alerts": ledger.alerts(),
        "requests": [(ids.index(id_), amount) for id_, amount in ledger.refill_requests()],
    }
    if books is None:
        return facts
    names = common_names(books)
    for part in ("remaining", "available", "owed", "billed", "closed_events", "closed_credits", "rolled_up"):
        facts[part] = getattr(books, part)
    facts["lots"] = sorted((lot._replace(id=names[lot.id]) for lot in books.lots), key=lambda lot: lot.id)
    facts["postings"] = [
        [entry._replace(lot=names.get(entry.lot, entry.lot) if entry.lot else None) for entry in posting]
        for posting in books.postings
    ]
    facts["bills"] = [bill for bill in books.bills if any(line.credits for line in bill.lines)]
    return facts

"""The oracle and the rules side by side: one history told to both, and what each of them shows, under common names.

Each gives its own names to the lots and requests that it makes itself: here they are known by their order.
"""

from dataclasses import replace

from tests.simulation.ledger_oracle.records import Command, Record, RefillDeclined, RefillPaid, VoidGrant
from tests.unit.ledger_examples.adapter import Books, Ledger

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


class Told:
    """Hands what one ledger is told to another, in the other's names."""

    def __init__(self, first: Ledger, second: Ledger) -> None:
        self.first = first
        self.second = second

    def translated(self, record: Record) -> Record:
        """The same record about the same lot or request."""
        body = record.body
        if not isinstance(body, Command):
            return record
        content = body.content
        if isinstance(content, VoidGrant):
            name = common_names(self.first.books()).get(content.grant)
            found = [lot for lot, each in common_names(self.second.books()).items() if each == name]
            content = replace(content, grant=found[0] if found else content.grant)
        elif isinstance(content, RefillPaid | RefillDeclined) and content.request in (ids := request_ids(self.first)):
            content = replace(content, request=request_ids(self.second)[ids.index(content.request)])
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

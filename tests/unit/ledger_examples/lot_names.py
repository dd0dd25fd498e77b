"""What the tables call a lot."""

from tests.unit.ledger_examples.adapter import Books, LotFacts
from tests.unit.ledger_examples.words import day_of


def name_of(books: Books, lot: LotFacts) -> str:
    """As the tables call it: lots that the ledger makes by their kind, and the day on which they start."""
    if lot.kind in ("plan", "rollover"):
        return f"{lot.kind} of {day_of(lot.effective_at)}"
    if lot.kind == "refill":
        return f"refill {[each.id for each in books.lots if each.kind == 'refill'].index(lot.id) + 1}"
    if lot.kind == "adjustment" and lot.id.startswith("waived:"):
        return "waived"
    return "free" if lot.kind == "free" else lot.id


def lots_named(books: Books, name: str) -> list[LotFacts]:
    found = [lot for lot in books.lots if name_of(books, lot) == name]
    if not found:
        raise ValueError(f"there is no lot {name!r} among {[name_of(books, lot) for lot in books.lots]}")
    return found

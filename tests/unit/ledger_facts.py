"""What came of a ledger story: facts by their words, such as `remaining 70` or `lots T:70`."""

from schemas.account import AccountRow
from schemas.credits import format_credits
from schemas.ledger import Entry
from schemas.notices import Alert, Bill, Notice, RefillRequest
from stream.rules.ledger.book import Book
from stream.rules.ledger.ledger import Ledger
from tests.unit.ledger_words import alert_name, day, entry_name, instant, moment, short

ACME = "acme"


class Told:
    """One account's ledger, and everything that it said so far."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.now_ms = instant("1 Nov")
        self.ledger.catch_up(self.now_ms, caught_up=True)
        self.entries: list[Entry] = []
        self.notices: list[Notice] = []
        self.answers: list[str] = []

    def tell(self, facts: str) -> str:
        """The outcome in the words in which it was expected: equal to `facts` if all is as expected."""
        told = []
        for fact in filter(None, (each.strip() for each in facts.split(";"))):
            word, _, rest = fact.partition(" ")
            find = getattr(self, f"_fact_{word}", None)
            told.append(f"{word} {find(rest)}" if find else f"{word} {self._fact_lot(word, rest)}")
        return "; ".join(told)

    def _book(self) -> Book:
        book = self.ledger.book(ACME)
        assert book is not None
        return book

    def _row(self) -> AccountRow:
        return self._book().row

    def _fact_remaining(self, _: str) -> str:
        return format_credits(self._row().remaining)

    def _fact_available(self, _: str) -> str:
        return format_credits(self._row().available)

    def _fact_owed(self, _: str) -> str:
        return format_credits(self._row().owed)

    def _fact_billed(self, _: str) -> str:
        return format_credits(self._row().billed)

    def _fact_balance(self, _: str) -> str:
        return format_credits(self._row().balance)

    def _fact_expired(self, _: str) -> str:
        return format_credits(self._row().expired)

    def _fact_voided(self, _: str) -> str:
        return format_credits(self._row().voided)

    def _fact_beyond(self, _: str) -> str:
        return f"{self._row().beyond_events} {format_credits(self._row().beyond_microcredits)}"

    def _fact_leaked(self, _: str) -> str:
        return f"{self._row().leaked_events} {format_credits(self._row().leaked_microcredits)}"

    def _fact_gate(self, _: str) -> str:
        return "closed" if self._row().gate_closed else "open"

    def _fact_answers(self, _: str) -> str:
        return " ".join(self.answers)

    def _fact_alerts(self, _: str) -> str:
        return " ".join(alert_name(each) for each in self.notices if isinstance(each, Alert))

    def _fact_requests(self, _: str) -> str:
        asked = [each for each in self.notices if isinstance(each, RefillRequest)]
        return " ".join(f"r{each.number}:{format_credits(each.amount)}" for each in asked)

    def _fact_asked(self, _: str) -> str:
        """When: the instants of all requests and repeats."""
        asked = [each for each in self.notices if isinstance(each, RefillRequest)]
        return " ".join(f"{moment(each.at_ms)}" for each in asked)

    def _fact_bills(self, _: str) -> str:
        """Each bill's lines: credits for an amount in the minor unit, a correction with the period it corrects."""
        told = []
        for bill in self.notices:
            if isinstance(bill, Bill):
                for line, amount in zip(bill.lines, bill.amounts_minor, strict=True):
                    old = "" if line.period_start_ms == bill.period_start_ms else f"@{day(line.period_start_ms)}"
                    told.append(f"{format_credits(line.microcredits)}={amount}{old}")
        return " ".join(told)

    def _fact_entries(self, rest: str) -> str:
        """The last entries, as many as were expected: `burned:PLAN:-30`."""
        count = len(rest.split())
        return " ".join(entry_name(each) for each in self.entries[-count:])

    def _fact_lots(self, _: str) -> str:
        """Every lot that holds something, in burn-down order."""
        book = self._book()
        return " ".join(f"{short(lot.id)}:{format_credits(lot.held)}" for lot in book.open)

    def _fact_lot(self, name: str, rest: str) -> str:
        """What is told of one lot, as `T held 70`."""
        book = self._book()
        lot = next(lot for lot in book.lots() if short(lot.id) == name)
        field = rest.split()[0]
        value = getattr(lot, field)
        return f"{field} {value if isinstance(value, str) else format_credits(value)}"

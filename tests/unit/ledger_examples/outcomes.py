"""The outcome of an example, in words, compared with what a ledger shows."""

import re
from datetime import datetime

from tests.unit.ledger_examples.adapter import AlertFacts, BillLineFacts, Books, EntryFacts
from tests.unit.ledger_examples.lot_names import lots_named, name_of
from tests.unit.ledger_examples.steps import Story
from tests.unit.ledger_examples.words import AMOUNT, credits_text, day_of, microcredits

_ANSWERS = r"booked|dropped|rejected (\w+)"


def shown(story: Story, outcome: str) -> str:
    """What the ledger shows, said in the words of the outcome: both are the same when it is right."""
    if re.fullmatch(_ANSWERS, outcome):
        answer = story.happened[-1].answer
        return answer if answer in ("booked", "dropped") else f"rejected {answer}"
    books = story.ledger.books()
    if outcome == "no account" or books is None:
        return "no account" if books is None else "an account"
    if match := re.fullmatch(rf"remaining ({AMOUNT}(?: / {AMOUNT})*)", outcome):
        count = len(match[1].split(" / "))
        return "remaining " + " / ".join(_amount(each.remaining) for each in story.happened[-count:])
    if match := re.fullmatch(rf"(available|owed|billed|rolled up) {AMOUNT}", outcome):
        return f"{match[1]} {_amount(getattr(books, match[1].replace(' ', '_')))}"
    return _about_parts(story, books, outcome)


def _about_parts(story: Story, books: Books, outcome: str) -> str:
    if match := re.fullmatch(rf"(.+) holds {AMOUNT}", outcome):
        return f"{match[1]} holds {_amount(sum(lot.held for lot in lots_named(books, match[1])))}"
    if match := re.fullmatch(r"(.+) expires (.+)", outcome):
        (lot,) = lots_named(books, match[1])
        return f"{match[1]} expires {_when(lot.expires_at)}"
    if match := re.fullmatch(r"(posted|before that) (.+)", outcome):
        if match[1] == "posted" and not story.happened[-1].postings:
            return "posted nothing"
        posting = books.postings[-1 if match[1] == "posted" else -2]
        return f"{match[1]} " + ", ".join(_entry(books, entry) for entry in posting)
    if re.fullmatch(r"(no )?alerts?( .+)?", outcome):
        return _alerts("alert", story.ledger.alerts())
    if re.fullmatch(r"(no )?new alerts?( .+)?", outcome):
        return _alerts("new alert", story.happened[-1].alerts)
    if outcome.startswith("asked "):
        return "asked " + (_requests(story) or "nothing")
    if outcome.startswith("counted "):
        return f"counted {books.closed_events} of {_amount(books.closed_credits)}"
    if match := re.fullmatch(r"bill of (\d+ \w+): .+", outcome):
        (bill,) = (bill for bill in books.bills if day_of(bill.start) == match[1])
        return f"bill of {match[1]}: " + (", ".join(_line(line) for line in bill.lines) or "nothing")
    raise ValueError(f"{outcome!r} is no outcome")


def normal(outcome: str) -> str:
    """The outcome with its amounts as they are shown."""
    return re.sub(rf"(?<![\w.-]){AMOUNT}(?![\w.%])", lambda found: _amount(microcredits(found[0])), outcome)


def _amount(amount: int) -> str:
    return credits_text(amount)


def _when(time: datetime | None) -> str:
    return day_of(time) if time else "never"


def _entry(books: Books, entry: EntryFacts) -> str:
    (name,) = [name_of(books, lot) for lot in books.lots if lot.id == entry.lot] or [""]
    return f"{entry.kind} {_amount(entry.amount)} {name}".strip()


def _alerts(word: str, alerts: list[AlertFacts]) -> str:
    return f"{word} " + ", ".join(_alert(alert) for alert in alerts) if alerts else f"no {word}s"


def _alert(alert: AlertFacts) -> str:
    text = f"at {alert.level}" if alert.kind == "threshold" else alert.kind
    return text + (" on set" if alert.on_set else "") + (" delayed" if alert.is_delayed else "")


def _requests(story: Story) -> str:
    requests = story.ledger.refill_requests()
    numbers = list(dict.fromkeys(id_ for id_, _ in requests))
    return ", ".join(f"{numbers.index(id_) + 1}: {_amount(amount)}" for id_, amount in requests)


def _line(line: BillLineFacts) -> str:
    text = f"{_amount(line.credits)} for {line.amount_minor} cents"
    return text + (f" correcting {day_of(line.corrects)}" if line.corrects else "")

"""The steps of an example, in words, as records that a ledger books."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.simulation.ledger_oracle.records import Command, Content, EventName, Record, Usage
from tests.unit.ledger_examples.adapter import ACCOUNT, AlertFacts, Ledger
from tests.unit.ledger_examples.lot_names import name_of
from tests.unit.ledger_examples.step_commands import Names, command_of
from tests.unit.ledger_examples.step_plans import PlanWords
from tests.unit.ledger_examples.words import AMOUNT, TIME, microcredits, time_of


class Happened(NamedTuple):
    """What a step did: the answer to its last record, Remaining after it, and which alerts and postings are its own."""

    answer: str
    remaining: int
    alerts: list[AlertFacts]
    postings: int


class Story:
    """Tells a ledger the steps of one example."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.now = time_of("1 Nov")
        self.happened: list[Happened] = []
        self._plans = PlanWords()
        self._events: dict[str, EventName] = {}
        self._commands = 0
        self._names = Names(self._event_named, self._refill_numbered, self._lot_named)
        self._last: Record | None = None

    def tell(self, step: str) -> None:
        """A step may begin with its time: `3 Nov 10:00: use 5`."""
        timed = re.fullmatch(rf"({TIME}): (.+)", step)
        if timed:
            self.now, step = time_of(timed[1]), timed[2]
        words, _, is_behind = step.partition(", while behind")
        alerts, postings = len(self.ledger.alerts()), self._postings()
        answer = self._do(words, is_behind=bool(is_behind) or step.endswith(", while behind"))
        books = self.ledger.books()
        self.happened.append(
            Happened(
                answer,
                books.remaining if books else 0,
                self.ledger.alerts()[alerts:],
                self._postings() - postings,
            )
        )

    def _do(self, words: str, *, is_behind: bool) -> str:
        if words == "wait":
            self.ledger.advance(self.now)
            return "waited"
        if words == "the same again":
            assert self._last is not None
            return self.ledger.apply(replace(self._last, ingested_at=self.now))
        use = re.fullmatch(rf"use ({AMOUNT})(?: of ({TIME}))?(?: as (\w+))?(?:, (\d+) times)?", words)
        if use:
            answer = ""
            for _ in range(int(use[4] or 1)):
                usage = self._usage(microcredits(use[1]), time_of(use[2]) if use[2] else self.now, use[3])
                answer = self._apply(usage, is_behind=is_behind)
            return answer
        words, said_at = _split(words, rf", said ({TIME})")
        words, id_ = _split(words, r", with id ([\w-]+)")
        words, source = _split(words, r", from source ([\w-]+)")
        self._commands += 1
        content = self._content(words)
        time = time_of(said_at) if said_at else self.now
        command = Command(source or "billing", id_ or f"command-{self._commands}", time, content)
        return self._apply(command, is_behind=is_behind)

    def _usage(self, cost: int, occurred_at: datetime, name: str | None) -> Usage:
        number = len(self._events) + 1
        event = EventName("runtime", name or f"e{number}", 0, number)
        self._events[event.id] = event
        return Usage(event, occurred_at, cost)

    def _content(self, words: str) -> Content:
        return self._plans.content_of(words) or command_of(words, self._names)

    def _event_named(self, name: str) -> EventName:
        return self._events.get(name, EventName("runtime", name))

    def _refill_numbered(self, number: int) -> str:
        # What the clock brings before this step may be what it names.
        self.ledger.advance(self.now)
        ids = list(dict.fromkeys(id_ for id_, _ in self.ledger.refill_requests()))
        return ids[number - 1] if number <= len(ids) else f"unknown-{number}"

    def _lot_named(self, name: str) -> str:
        self.ledger.advance(self.now)
        books = self.ledger.books()
        found = [lot.id for lot in books.lots if name_of(books, lot) == name] if books else []
        return found[0] if found else name

    def _apply(self, body: Usage | Command, *, is_behind: bool) -> str:
        self._last = Record(ACCOUNT, self.now, body, is_behind)
        answer = self.ledger.apply(self._last)
        self.now += timedelta(milliseconds=1)
        return answer

    def _postings(self) -> int:
        books = self.ledger.books()
        return len(books.postings) if books else 0


def _split(words: str, pattern: str) -> tuple[str, str | None]:
    """The words without what the pattern finds, and that."""
    match = re.search(pattern, words)
    return (words.replace(match[0], ""), match[1]) if match else (words, None)

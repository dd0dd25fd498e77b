"""Compares what a simulated worker committed, and holds in memory, with the oracle."""

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import replace
from unittest import mock

from confluent_kafka import Message

from schemas.account import AccountRow, account_of
from schemas.topics import TopicNames
from stream.pipeline import Pipeline
from stream.rules.ledger.book import Book
from tests.simulation import observed, oracle
from tests.simulation.fake_kafka import FakeKafka
from tests.simulation.fake_log import FakeLog, Fate
from tests.simulation.observed_ledger import lot_totals, totals_of
from tests.simulation.oracle_books import Books
from tests.simulation.oracle_differences import rows_of
from tests.simulation.oracle_prices import read_cards
from tests.simulation.oracle_records import (
    BalanceTotals,
    Figures,
    LotKey,
    LotTotals,
    OracleSettings,
    Place,
    RawRecord,
    TopicKind,
)
from tests.simulation.oracle_records import Expected as Wanted

_BY_ACCOUNT = ("balances", "lots", "entries", "alerts", "refills", "bills")


class Auditor:
    """Keeps the oracle's books as far as the inputs went, and compares all that is shown with them, again and again.

    When a worker takes its clock to be behind depends on when it reads: it then marks alerts as delayed, and puts off
    what asks for refills. Of accounts in which one has posted something meanwhile, `delayed` is not compared; those
    that ever had a policy of refills are held to equations and chain alone.
    """

    def __init__(self, cluster: FakeKafka, settings: OracleSettings) -> None:
        self._cluster = cluster
        self._settings = settings
        self._expected = Wanted()
        self._books = [Books(self._expected, [], settings) for _ in range(settings.partitions)]
        self._booked: Counter[tuple[str, int]] = Counter()
        """How many entries of an input the books hold, by topic and partition."""

    def differences(self, pipelines: list[Pipeline], behind: Set[str]) -> list[str]:
        """Where outputs or memory differ from what the inputs demand, in lines a person can read.

        `behind` are the accounts in which something was posted while a worker took its clock to be behind.
        """
        self._book()
        settings = self._settings

        def read(_: str, topic: str, __: int) -> list[Message]:
            return [message for log in self._cluster.topics[topic] for message in _messages(log)]

        with mock.patch.object(observed, "read_topic", read):
            actual = observed.read_outputs("", settings.topics, settings.partitions)
        untold = self._untold(behind)
        expected = self._comparable(self._expected, behind, untold)
        found = oracle.differences(expected, self._comparable(actual, behind, untold))
        found += actual.broken
        found += [f"charged twice: {place}" for place in actual.doubled]
        found += [
            f"versions of {name} [{partition}] do not rise"
            for (name, partition), versions in actual.versions.items()
            if versions != sorted(versions)
        ]
        return found + _in_memory(expected, pipelines, untold)

    def _book(self) -> None:
        """Book what came since the last time: whoever compares has waited until nothing older can come."""
        log = self._cluster.log(self._settings.topics.rate_cards, 0)
        published = {entry.key: entry.value for entry in log.history()}
        cards = read_cards(card for card in published.values() if card is not None)
        for partition, books in enumerate(self._books):
            books.cards = cards
            came = list(oracle.merged([*self._came("usage", partition), *self._came("commands", partition)]))
            assert not came or came[0].timestamp_ms > books.now_ms, "the inputs did not rest when they were compared"
            oracle.book_on(books, came)
            books.rest(self._cluster.now_ms)
            books.ledger.oracle.check()

    def _came(self, kind: TopicKind, partition: int) -> Iterator[RawRecord]:
        topics = self._settings.topics
        log = self._cluster.log(topics.usage_events if kind == "usage" else topics.commands, partition)
        first = self._booked[log.topic, partition]
        self._booked[log.topic, partition] = log.high
        for entry in log.entries[first:]:
            if entry.fate is Fate.COMMITTED:
                yield RawRecord(kind, partition, entry.offset, entry.timestamp_ms, entry.key, entry.value)

    def _untold(self, behind: Set[str]) -> set[str]:
        refilling = set[str]().union(*(books.ledger.had_refill_policies for books in self._books))
        return refilling & behind

    def _comparable(self, figures: Figures, behind: Set[str], untold: Set[str]) -> Figures:
        """Without what depends on when a worker read."""
        if not behind:
            return figures
        kept = {name: getattr(figures, name) for name in _BY_ACCOUNT}
        for name, table in kept.items():
            by_name = name in ("balances", "alerts", "refills", "bills")
            kept[name] = {key: rows for key, rows in table.items() if (key if by_name else key.account) not in untold}
        kept["alerts"] = {
            account: [each._replace(is_delayed=False) for each in alerts] if account in behind else alerts
            for account, alerts in kept["alerts"].items()
        }
        letters = {place: reason for place, reason in figures.dead_letters.items() if not self._is_of(place, untold)}
        return replace(figures, **kept, dead_letters=letters)

    def _is_of(self, place: Place, accounts: Set[str]) -> bool:
        """Whether it is a command of one of them: what it can do depends on the credits that there are."""
        if place.topic != self._settings.topics.commands:
            return False
        key = self._cluster.log(place.topic, place.partition).entries[place.offset].key
        return key is not None and key.decode(errors="replace") in accounts


def visible(cluster: FakeKafka, names: TopicNames, partition: int) -> tuple[int, int]:
    """Where the two inputs of a partition end for a reader: the offset after the last record that it may see."""
    ends = [0, 0]
    for which, topic in enumerate((names.usage_events, names.commands)):
        entries = reversed(cluster.log(topic, partition).entries)
        ends[which] = next((entry.offset + 1 for entry in entries if entry.fate is Fate.COMMITTED), 0)
    return ends[0], ends[1]


def _messages(log: FakeLog) -> Iterator[Message]:
    for entry in log.history():
        yield Message(topic=log.topic, partition=log.partition, offset=entry.offset, key=entry.key, value=entry.value)


def _in_memory(expected: Figures, pipelines: list[Pipeline], untold: Set[str]) -> list[str]:
    balances: dict[str, BalanceTotals] = {}
    lots: dict[LotKey, LotTotals] = {}
    for pipeline in pipelines:
        books = pipeline.ledger.books
        for name in books:
            book = books.get(name)
            if book is not None and name not in untold:
                row = _row_of(book)
                balances[name] = totals_of(row)
                first = row.first_lot
                held = [first if first is not None and lot.id == first.id else lot for lot in book.lots()]
                lots |= {LotKey(name, lot.id): lot_totals(lot) for lot in held}
    return [
        f"memory: {name} {key} is {shown.get(key)}; expected {wanted.get(key)}"
        for name, shown, wanted in (
            ("account", rows_of(balances), rows_of(expected.balances)),
            ("lot", rows_of(lots), rows_of(expected.lots)),
        )
        for key in sorted(shown.keys() | wanted.keys())
        if shown.get(key) != wanted.get(key)
    ]


def _row_of(book: Book) -> AccountRow:
    """As it would be written, so that the book stays as it is; a book that was only looked at has not been written."""
    return account_of(book.encoded(book.version)) if book.posted else book.row

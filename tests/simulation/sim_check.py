"""Compares what a simulated worker committed, and holds in memory, with the oracle."""

from collections import Counter
from collections.abc import Iterator
from unittest import mock

from confluent_kafka import Message

from schemas.topics import TopicNames
from stream.pipeline import Pipeline
from tests.simulation import observed, oracle
from tests.simulation.fake_kafka import FakeKafka
from tests.simulation.fake_log import FakeLog, Fate
from tests.simulation.oracle_books import Books
from tests.simulation.oracle_prices import read_cards
from tests.simulation.oracle_records import BalanceTotals, Expected, OracleSettings, RawRecord, TopicKind


class Auditor:
    """Keeps the oracle's books as far as the inputs went, and compares all that is shown with them, again and again."""

    def __init__(self, cluster: FakeKafka, settings: OracleSettings) -> None:
        self._cluster = cluster
        self._settings = settings
        self._expected = Expected()
        self._books = [Books(self._expected, [], settings) for _ in range(settings.partitions)]
        self._booked: Counter[tuple[str, int]] = Counter()
        """How many entries of an input the books hold, by topic and partition."""

    def differences(self, pipelines: list[Pipeline]) -> list[str]:
        """Where outputs or memory differ from what the inputs demand, in lines a person can read."""
        self._book()
        settings = self._settings

        def read(_: str, topic: str, __: int) -> list[Message]:
            return [message for log in self._cluster.topics[topic] for message in _messages(log)]

        with mock.patch.object(observed, "read_topic", read):
            actual = observed.read_outputs("", settings.topics, settings.partitions)
        found = oracle.differences(self._expected, actual)
        found += [f"charged twice: {place}" for place in actual.doubled]
        found += [
            f"versions of {name} [{partition}] do not rise"
            for (name, partition), versions in actual.versions.items()
            if versions != sorted(versions)
        ]
        return found + _in_memory(self._expected, pipelines)

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

    def _came(self, kind: TopicKind, partition: int) -> Iterator[RawRecord]:
        topics = self._settings.topics
        log = self._cluster.log(topics.usage_events if kind == "usage" else topics.commands, partition)
        first = self._booked[log.topic, partition]
        self._booked[log.topic, partition] = log.high
        for entry in log.entries[first:]:
            if entry.fate is Fate.COMMITTED:
                yield RawRecord(kind, partition, entry.offset, entry.timestamp_ms, entry.key, entry.value)


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


def _in_memory(expected: Expected, pipelines: list[Pipeline]) -> list[str]:
    held: dict[str, BalanceTotals] = {}
    for pipeline in pipelines:
        for row in pipeline.balances.values():
            held[row.account] = BalanceTotals(
                row.granted_microcredits, row.charged_microcredits, row.events, row.messages, row.grants
            )
    return [
        f"memory: {account} is {held.get(account)}; expected {expected.balances.get(account)}"
        for account in sorted(held.keys() | expected.balances.keys())
        if held.get(account) != expected.balances.get(account)
    ]

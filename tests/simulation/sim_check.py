"""Compares what a simulated worker committed, and holds in memory, with the oracle."""

from collections.abc import Iterator
from unittest import mock

from confluent_kafka import Message

from schemas.dead_letter import Reason
from schemas.topics import TopicNames
from stream.pipeline import Pipeline
from tests.simulation import observed, oracle
from tests.simulation.fake_kafka import FakeKafka
from tests.simulation.fake_log import FakeLog, Fate
from tests.simulation.oracle_books import read
from tests.simulation.oracle_checks import Gift, Rejected, Usage
from tests.simulation.oracle_records import BalanceTotals, Expected, OracleSettings, RawRecord


class Reading:
    """What the records of a schedule say, each read once: it is compared twice, from its beginning."""

    def __init__(self) -> None:
        self._said: dict[RawRecord, Usage | Gift | Reason] = {}

    def __call__(self, record: RawRecord, settings: OracleSettings) -> Usage | Gift:
        """As the oracle reads it."""
        said = self._said.get(record)
        if said is None:
            try:
                said = read(record, settings)
            except Rejected as rejected:
                said = rejected.reason
            self._said[record] = said
        if isinstance(said, Reason):
            raise Rejected(said)
        return said


def differences(cluster: FakeKafka, settings: OracleSettings, pipelines: list[Pipeline], reading: Reading) -> list[str]:
    """Where outputs or memory differ from what the inputs demand, in lines a person can read."""
    expected = _expected(cluster, settings, reading)

    def read(_: str, topic: str, __: int) -> list[Message]:
        return [message for log in cluster.topics[topic] for message in _messages(log)]

    with mock.patch.object(observed, "read_topic", read):
        actual = observed.read_outputs("", settings.topics, settings.partitions)
    found = oracle.differences(expected, actual)
    found += [f"charged twice: {place}" for place in actual.doubled]
    found += [
        f"versions of {name} [{partition}] do not rise"
        for (name, partition), versions in actual.versions.items()
        if versions != sorted(versions)
    ]
    return found + _in_memory(expected, pipelines)


def visible(cluster: FakeKafka, names: TopicNames, partition: int) -> tuple[int, int]:
    """Where the two inputs of a partition end for a reader: the offset after the last record that it may see."""
    ends = [0, 0]
    for which, topic in enumerate((names.usage_events, names.commands)):
        entries = reversed(cluster.log(topic, partition).entries)
        ends[which] = next((entry.offset + 1 for entry in entries if entry.fate is Fate.COMMITTED), 0)
    return ends[0], ends[1]


def _expected(cluster: FakeKafka, settings: OracleSettings, reading: Reading) -> Expected:
    names = settings.topics
    records = [*_raw(cluster, names, usage=True), *_raw(cluster, names, usage=False)]
    cards = {entry.key: entry.value for entry in cluster.log(names.rate_cards, 0).history()}
    return oracle.expect(records, [card for card in cards.values() if card is not None], settings, read=reading)


def _raw(cluster: FakeKafka, names: TopicNames, *, usage: bool) -> Iterator[RawRecord]:
    for log in cluster.topics[names.usage_events if usage else names.commands]:
        for entry in log.history():
            yield RawRecord(
                "usage" if usage else "commands",
                log.partition,
                entry.offset,
                entry.timestamp_ms,
                entry.key,
                entry.value,
            )


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

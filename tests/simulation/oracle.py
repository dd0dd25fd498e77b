"""An independent oracle: from the records of the inputs and the rate cards, what the whole system must show.

It shares no code with the worker and no parsing with the schemas. `expect` computes the figures, `read_all`
reads a cluster, `read_clickhouse` what an analyst sees, `differences` compares them. For a running system,
`python -m tests.simulation.oracle --bootstrap HOST:PORT --clickhouse HOST:PORT` does it all.
"""

import json
from collections.abc import Callable, Iterable
from heapq import merge
from itertools import groupby

from tests.simulation.ledger_oracle.records import EventName
from tests.simulation.oracle_books import Books
from tests.simulation.oracle_clickhouse import read_clickhouse
from tests.simulation.oracle_differences import TABLES, differences, rows_of
from tests.simulation.oracle_json import Rejected
from tests.simulation.oracle_kafka import read_all, read_rate_cards
from tests.simulation.oracle_prices import Card, read_cards
from tests.simulation.oracle_records import Expected, Figures, OracleSettings, Place, RawRecord

__all__ = [
    "TABLES",
    "Expected",
    "Figures",
    "OracleSettings",
    "RawRecord",
    "book_on",
    "book_partition",
    "differences",
    "expect",
    "merged",
    "named_events",
    "read_all",
    "read_clickhouse",
    "read_rate_cards",
    "rows_of",
]


def expect(
    records: Iterable[RawRecord],
    rate_cards: Iterable[bytes | str],
    settings: OracleSettings,
    expected: Expected | None = None,
    until_ms: int = 0,
) -> Expected:
    """What a system must show once it has booked these records under these rate cards (raw JSON values).

    Its clock went on until `until_ms` without records.
    """
    expected = Expected() if expected is None else expected
    cards = read_cards(rate_cards)
    ordered = sorted(records, key=lambda record: record.partition)
    remembers = named_events(record for record in ordered if record.topic_kind == "commands")
    for _, of_partition in groupby(ordered, key=lambda record: record.partition):
        in_order = merged(list(of_partition))
        book_partition(in_order, expected, cards, settings, until_ms=until_ms, remembers=remembers)
    return expected


def book_partition(
    records: Iterable[RawRecord],
    expected: Expected,
    cards: list[Card],
    settings: OracleSettings,
    *,
    until_ms: int = 0,
    remembers: Callable[[EventName], bool] | None = None,
) -> None:
    """Add one partition's records, in the order in which they are booked, to what is expected."""
    books = Books(expected, cards, settings, remembers)
    book_on(books, records)
    books.rest(until_ms)


def named_events(commands: Iterable[RawRecord]) -> Callable[[EventName], bool]:
    """Tells whether an event is one that these void or reprice: of no other event the pieces are needed again."""
    named: set[tuple[str, str]] = set()
    for record in commands:
        try:
            event = json.loads(record.value or b"")["data"]["event"]
            named.add((event["source"], event["id"]))
        except (ValueError, RecursionError, KeyError, TypeError, IndexError):
            continue
    return lambda event: (event.source, event.id) in named


def book_on(books: Books, records: Iterable[RawRecord]) -> None:
    """Book what comes after what the books of a partition hold."""
    for record in records:
        try:
            books.book(record)
        except Rejected as rejected:
            books.expected.dead_letters[_place(record, books.settings)] = rejected.reason.value


def merged(records: list[RawRecord]) -> Iterable[RawRecord]:
    """Both inputs of a partition by append time, commands first at a tie, each by offset."""
    by_offset = sorted(records, key=lambda record: record.offset)
    commands = [record for record in by_offset if record.topic_kind == "commands"]
    usage = [record for record in by_offset if record.topic_kind == "usage"]
    # merge keeps each input's own order, and takes from the first input when times are equal.
    return merge(commands, usage, key=lambda record: record.timestamp_ms)


def _place(record: RawRecord, settings: OracleSettings) -> Place:
    topics = settings.topics
    topic = topics.commands if record.topic_kind == "commands" else topics.usage_events
    return Place(topic, record.partition, record.offset)


if __name__ == "__main__":
    from tests.simulation.oracle_main import main

    raise SystemExit(main())

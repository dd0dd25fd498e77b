"""The auditor's books: record by record what an oracle, which shares no code with them, makes of the same log."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings

from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from schemas.codec import decode_rate_card
from schemas.credits import LARGEST_TOTAL_MICROCREDITS
from schemas.partitioning import partition_of
from schemas.rate_card import NodePrice
from schemas.rate_card_check import problems
from schemas.usage import LARGEST_QUANTITY
from sinks.reconcile import books as audited
from sinks.reconcile import prices as audited_prices
from sinks.reconcile.books import Books, Charged, Refused, Repeated, Shown, Verdict
from sinks.reconcile.inputs import Gift as Given
from sinks.reconcile.inputs import InputRecord, Usage, belongs, read_command, read_usage
from sinks.reconcile.prices import SETTLED_MS, CardRow, Priced, Prices, cost_microcredits
from sinks.reconcile.settings import ReconcileSettings
from stream.rules.commands import REMEMBERED_MS
from stream.rules.pricing import LARGEST_COST_MICROCREDITS
from tests.hostile.corpus_files import kept
from tests.hostile.judged import ACCEPTED, JUDGES, _key_of
from tests.hostile.recipes import RECIPES
from tests.properties.test_envelope import (
    ABSENT,
    _changed,
    _key,
    changes_of,
    command_places,
    payment_places,
    usage_places,
)
from tests.properties.test_pricing import card_of, modelled_microcredits, node_prices, quantities_micros
from tests.simulation.oracle import OracleSettings, RawRecord, expect
from tests.simulation.oracle_checks import Gift
from tests.simulation.oracle_checks import read_command as oracle_reads_command
from tests.simulation.oracle_checks import read_usage as oracle_reads_usage
from tests.simulation.oracle_json import Rejected
from tests.simulation.oracle_records import Identity, Place
from tests.unit.booking_scene import CARD, DAY_MS, HOUR_MS, NOON_MS, grant, top_up, usage

PARTITIONS = 3
SHIPPED = dict.fromkeys(("llm_prompt", "llm_completion", "message", "search", "http_request", "code"), "0.25")
"""A card without `image`: some of the workload cannot be priced."""


def card_json(version: str = "v1", **prices: str) -> bytes:
    """A card of flat prices, effective since long."""
    nodes = {node: {"unit": "call", "tiers": [{"credits_per_unit": price}]} for node, price in prices.items()}
    return json.dumps({"version": version, "effective_at": "2025-01-01T00:00:00Z", "prices": nodes}).encode()


def books_of(*cards: bytes | str, partition: int = 0, partitions: int = 1) -> Books:
    """Books that know these cards since for ever."""
    rows = [CardRow(decode_rate_card(card), 0) for card in cards]
    return Books(partition, partitions, Prices(rows), ReconcileSettings())


def log(noon: datetime) -> Iterator[RawRecord]:
    """A workload with everything that may be wrong with a record, and commands among it."""
    at_ms = int(noon.timestamp() * 1_000)
    events = WorkloadSettings(
        accounts=40, events=2_500, duplicates=0.1, late=0.1, malformed=0.05, started_at=noon, partitions=PARTITIONS
    )
    for number, (key, value, partition) in enumerate(workload_records(events)):
        where = partition_of(key or b"", PARTITIONS) if partition is None else partition
        yield RawRecord("usage", where, number, at_ms + number * 40_000, key, value)
        if number % 20 == 0:
            told = command(number, (noon + timedelta(seconds=40 * number)).isoformat())
            account = told["subject"].encode()
            where = partition_of(account, PARTITIONS)
            yield RawRecord("commands", where, number, at_ms + number * 40_000, account, json.dumps(told).encode())


def command(number: int, time: str) -> dict[str, Any]:
    """In turn: one that is new, the same again, another under its identity, its grant or payment again, one too old."""
    kind, turn = number // 20 % 6, number // 120
    changes: dict[str, Any] = {"e_subject": f"account-{turn % 50}", "e_id": f"c{turn}", "grant": f"g{turn}"}
    said = top_up(**changes, payment={"reference": f"p{turn}", "amount_minor": 5, "currency": "EUR"}, e_time=time)
    again = {"payment": {"reference": f"p{turn}", "amount_minor": 5, "currency": "EUR"}}
    others: list[dict[str, Any]] = [
        said,
        top_up(**changes, **again, credits="100.0", e_time=time),
        top_up(**changes, **again, credits="7", e_time=time),
        grant(**{**changes, "e_id": f"d{turn}", "e_time": time}),
        top_up(**{**changes, "e_id": f"e{turn}", "grant": f"h{turn}", "e_time": time}, **again),
        grant(**{**changes, "e_id": f"f{turn}", "grant": f"i{turn}", "e_time": "2025-01-01T00:00:00Z"}),
    ]
    return others[kind]


def test_the_books_are_the_oracles() -> None:
    """Charges, balances, drops and dead letters, over more than the dedup window."""
    cards = [card_json(**SHIPPED)]
    records = list(log(datetime(2026, 7, 1, tzinfo=UTC)))
    expected = expect(records, cards, OracleSettings(partitions=PARTITIONS))
    assert expected.dropped_events > 100
    assert expected.dropped_commands > 10
    assert len(set(expected.dead_letters.values())) > 17
    charges: dict[Identity, tuple[int, int]] = {}
    refused: dict[Place, str | None] = {}
    balances: dict[str, tuple[int, ...]] = {}
    repeated = 0
    for partition in range(PARTITIONS):
        books = books_of(*cards, partition=partition, partitions=PARTITIONS)
        for record, verdict in booked(books, (each for each in records if each.partition == partition)):
            if isinstance(verdict, Charged):
                charges[Identity(*verdict.usage[:3])] = (verdict.priced.cost_microcredits, record.offset)
            elif isinstance(verdict, Refused):
                topic = {"usage": "usage.events", "commands": "credits.commands"}[record.topic_kind]
                refused[Place(topic, partition, record.offset)] = verdict.reason
            else:
                repeated += isinstance(verdict, Repeated)
        balances |= {
            name: (total.granted, total.charged, total.events, total.messages, total.grants)
            for name, total in books.accounts.items()
        }
    assert charges == {identity: (facts.cost, facts.offset) for identity, facts in expected.charges.items()}
    assert balances == {name: totals[:5] for name, totals in expected.balances.items()}
    assert repeated == expected.dropped_events + expected.dropped_commands
    assert refused.keys() == expected.dead_letters.keys()
    told = {place: reason for place, reason in refused.items() if reason is not None}
    assert told == {place: expected.dead_letters[place] for place in told}
    assert set(told.values()) >= {
        "command_id_reused",
        "command_too_old",
        "event_id_reused",
        "grant_id_reused",
        "older_than_dedup_window",
        "payment_reused",
        "unknown_node",
    }


def booked(books: Books, records: Iterable[RawRecord]) -> Iterator[tuple[RawRecord, Verdict]]:
    """Each record and what the books say of it, in the order of the log, commands first at a tie."""
    for record in sorted(records, key=lambda each: (each.timestamp_ms, each.topic_kind != "commands")):
        read = InputRecord(record.offset, record.timestamp_ms, record.key, record.value)
        yield record, books.command(read) if record.topic_kind == "commands" else books.usage(read)


@settings(max_examples=200, deadline=None)
@given(changes_of(usage_places))
@example({("e", "specversion"): ABSENT})
@example({("e", "type"): ABSENT})
def test_an_event_with_any_fields_changed_may_be_booked_if_the_oracle_may_book_it(
    changes: dict[tuple[str, str], Any],
) -> None:
    """Whatever the fields become."""
    value = _changed(usage(), changes)
    raw = RawRecord("usage", 0, 0, NOON_MS, _key(value), value)
    try:
        wanted = oracle_reads_usage(raw, OracleSettings(partitions=1))
    except Rejected:
        wanted = None
    found = read_usage(InputRecord(0, NOON_MS, raw.key, value))
    # A subject that begins with a zero belongs to no partition, which is asked later.
    assert found is None or not found.account.startswith("\0")
    assert (found and tuple(found)) == (wanted and tuple(wanted))


@settings(max_examples=200, deadline=None)
@given(changes_of(command_places + payment_places))
@example({("e", "specversion"): ABSENT})
def test_a_command_with_any_fields_changed_may_be_carried_out_if_the_oracle_may(
    changes: dict[tuple[str, str], Any],
) -> None:
    """Whatever the fields become."""
    value = _changed(top_up(), changes)
    raw = RawRecord("commands", 0, 0, NOON_MS, _key(value), value)
    try:
        wanted = oracle_reads_command(raw, OracleSettings(partitions=1))
    except Rejected:
        wanted = None
    found = read_command(InputRecord(0, NOON_MS, raw.key, value))
    if isinstance(found, Given):
        assert isinstance(wanted, Gift)
        assert found[:5] == (*wanted[:4], wanted.amount)
    else:
        assert (found and found[:3]) == (wanted and wanted[:3])


@pytest.mark.parametrize(
    ("written", "twice"),
    [
        ('"specversion"', '"id":"2","specversion"'),
        ('"kind"', '"credits":"7","kind"'),
        ('"reference"', '"currency":"USD","reference"'),
        ('"a"', '"a":2,"a"'),
    ],
)
def test_a_command_that_says_something_twice_is_not_carried_out(written: str, twice: str) -> None:
    """In any of its objects: readers could differ about it."""
    good = json.dumps({**top_up(), "unknown": {"a": 1}})
    assert read_command(InputRecord(0, NOON_MS, b"acme", good.encode())) is not None
    assert good.count(written) == 1
    assert read_command(InputRecord(0, NOON_MS, b"acme", good.replace(written, twice).encode())) is None


@given(node_prices(), quantities_micros)
def test_a_cost_is_the_model_in_fractions(price: NodePrice, quantity_micros: int) -> None:
    """Exact, and rounded half to even once."""
    if not problems(card_of(price)):
        assert cost_microcredits(price, quantity_micros) == modelled_microcredits(price, quantity_micros)


@pytest.mark.parametrize("kind", ["usage", "command"])
def test_hostile_input_may_be_booked_only_where_the_worker_books_it(kind: str) -> None:
    """The whole corpus: what the worker accepts by its bytes, the auditor reads."""
    read, judge = {"usage": read_usage, "command": read_command}[kind], JUDGES[kind]
    values = [each.value for each in kept(kind)] + [each.make() for each in RECIPES if each.kind == kind]
    found = {value: read(InputRecord(0, NOON_MS, _key_of(value), value)) for value in values}
    booked = {value for value, each in found.items() if each is not None and belongs(each.account, 0, 1)}
    judged = {value for value in values if judge(value) == ACCEPTED}
    assert {value[:200] for value in booked ^ judged} == set()
    assert 3 < len(judged) < len(values)


def used(node: str) -> Usage:
    """A unit of a node at noon."""
    return Usage("acme", "/s", "1", NOON_MS * 1_000, "ada", "c1", "api", node, 1_000_000)


def row(version: str, effective: str, published_ms: int, *, withdrawn_ms: int = 0, **prices: str) -> CardRow:
    """A card, and when it was published; or when it was withdrawn."""
    card = json.loads(card_json(version, **prices))
    published = datetime.fromtimestamp(published_ms / 1_000, UTC).isoformat()
    card |= {"effective_at": effective, "published_at": published, "withdrawn": bool(withdrawn_ms)}
    return CardRow(decode_rate_card(json.dumps(card)), withdrawn_ms or published_ms)


OLD = row("old", "2025-01-01T00:00:00Z", 0, answer="1")


@pytest.mark.parametrize(
    ("rows", "node", "answers"),
    [
        ([OLD], "answer", ["old"]),
        ([OLD], "gold", ["unknown_node"]),
        ([], "answer", ["no_rate_card"]),
        ([OLD, row("new", "2025-06-01T00:00:00Z", NOON_MS - SETTLED_MS, answer="2")], "answer", ["new"]),
        ([OLD, row("new", "2025-06-01T00:00:00Z", NOON_MS - SETTLED_MS + 1, answer="2")], "answer", ["old", "new"]),
        ([OLD, row("new", "2025-06-01T00:00:00Z", NOON_MS + DAY_MS, answer="2")], "answer", ["old", "new"]),
        ([OLD, row("new", "2025-12-01T00:00:00Z", 0, answer="2")], "answer", ["old"]),
        ([OLD, row("gilt", "2025-06-01T00:00:00Z", NOON_MS + 1, gold="2")], "gold", ["unknown_node", "gilt"]),
        ([OLD, row("gone", "2025-06-01T00:00:00Z", 0, withdrawn_ms=1, answer="2")], "answer", ["old"]),
        ([OLD, row("gone", "2025-06-01T00:00:00Z", 0, withdrawn_ms=NOON_MS, answer="2")], "answer", ["gone", "old"]),
        ([OLD, row("another", "2025-01-01T00:00:00Z", 5, answer="2")], "answer", ["old"]),
    ],
)
def test_what_may_be_charged_is_what_a_worker_could_know(rows: list[CardRow], node: str, answers: list[str]) -> None:
    """Each row: cards with the time of their publication or withdrawal, a node, and every answer that is right."""
    found = Prices(rows).answers(used(node), NOON_MS)
    assert [each.rate_card if isinstance(each, Priced) else each.value for each in found] == answers


@pytest.mark.parametrize(
    ("shown", "verdict"),
    [
        (Shown(reasons=frozenset({"unknown_node"})), "refused"),
        (Shown("gilt", 2_000_000), "charged"),
        (Shown("gilt", 1), "charged"),
        (Shown(), "charged"),
    ],
)
def test_where_two_answers_are_right_the_one_that_was_booked_is_taken(shown: Shown, verdict: str) -> None:
    """And the one by all that is known now, where neither was: then it is drift."""
    books = Books(0, 1, Prices([OLD, row("gilt", "2025-06-01T00:00:00Z", NOON_MS, gold="2")]), ReconcileSettings())
    found = books.usage(record(usage(node="gold")), shown)
    assert (isinstance(found, Charged), isinstance(found, Refused)) == (verdict == "charged", verdict == "refused")


def record(body: dict[str, Any], at_ms: int = NOON_MS) -> InputRecord:
    """An input's record of acme."""
    return InputRecord(0, at_ms, b"acme", json.dumps(body).encode())


def test_an_id_is_known_through_the_last_millisecond_of_the_window() -> None:
    """After it an event of the same id, and of a time that may still be booked, is another one."""
    books, window_ms = books_of(CARD), ReconcileSettings().window_ms
    late = {"e_time": "2025-11-22T12:05:00Z"}
    assert isinstance(books.usage(record(usage(**late))), Charged)
    assert isinstance(books.usage(record(usage(**late), NOON_MS + window_ms - HOUR_MS)), Repeated)
    at_last = {"e_time": "2025-11-23T12:00:00Z"}
    assert books.usage(record(usage(**at_last), NOON_MS + window_ms)) == Refused("event_id_reused")  # type: ignore[arg-type]
    assert isinstance(books.usage(record(usage(**at_last), NOON_MS + window_ms + 1)), Charged)
    assert books.accounts["acme"].events == 2


def test_totals_have_the_bound_of_the_worker() -> None:
    """Of what an account is granted and charged in all."""
    assert audited.LARGEST_TOTAL_MICROCREDITS == LARGEST_TOTAL_MICROCREDITS
    assert audited.COMMANDS_REMEMBERED_MS == REMEMBERED_MS
    assert audited_prices.LARGEST_COST_MICROCREDITS == LARGEST_COST_MICROCREDITS
    books = books_of(CARD)
    books.command(record(grant()))
    books.accounts["acme"].granted = LARGEST_TOTAL_MICROCREDITS
    books.accounts["acme"].charged = LARGEST_TOTAL_MICROCREDITS - 1
    assert isinstance(books.command(record(grant(e_id="2", grant="g2"))), Refused)
    assert isinstance(books.usage(record(usage())), Refused)
    assert isinstance(books.usage(record(usage(e_id="2", quantity=LARGEST_QUANTITY + 1))), Refused)

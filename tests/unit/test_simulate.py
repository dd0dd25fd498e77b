"""What usage would have cost by another card: priced as the worker does, summed exactly, and what it lacks is told."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message
from msgspec import structs

from schemas.charge import Charge
from schemas.codec import decode_rate_card, encode_packed
from schemas.identifiers import Account, Agent, Conversation, EventId, Node, RateCardVersion
from stream.__main__ import main
from stream.rules.pricing import CompiledCard, compile_card
from stream.simulate.chosen import Chosen, Recorded
from stream.simulate.from_kafka import KafkaCharges
from stream.simulate.show import Answer, as_csv, as_json, as_table
from stream.simulate.simulation import OTHERS, LeftOut, Row, Simulation
from stream.topic_reader import Span, UnreadableTopicError
from tests.unit.booking_scene import CREDIT, DAY_MS, HOUR_MS, NOON_MS
from tests.unit.ledger_records import BOOKED_AT_MS, TOPICS, charge_batch

UNIT = 1_000_000
DAY = Chosen(NOON_MS, NOON_MS + DAY_MS)


def card(**prices: Any) -> CompiledCard:
    """A card of these prices: credits a unit, or a whole price."""
    whole = {
        node: price if isinstance(price, dict) else {"unit": "u", "tiers": [{"credits_per_unit": price}]}
        for node, price in prices.items()
    }
    row = {"version": "new", "effective_at": "2030-01-01T00:00:00Z", "prices": whole}
    return compile_card(decode_rate_card(json.dumps(row)))


def charge(**changes: Any) -> Charge:
    """A charge of an answer for 2 credits, at noon."""
    usual = Charge(
        account=Account("acme"),
        source="/s",
        id=EventId("1"),
        agent=Agent("ada"),
        conversation=Conversation("c1"),
        channel="api",
        node=Node("answer"),
        quantity_micros=UNIT,
        cost_microcredits=2 * CREDIT,
        messages=1,
        rate_card=RateCardVersion("v1"),
        occurred_at_us=NOON_MS * 1_000,
        ingested_at_ms=NOON_MS,
        offset=0,
    )
    return structs.replace(usual, **changes)


def batches(*charges: Charge) -> Iterator[Message]:
    """A record for each."""
    values = [encode_packed(charge_batch([each], number)) for number, each in enumerate(charges, 1)]
    return iter([Message(topic=TOPICS.charges, partition=0, offset=at, value=value) for at, value in enumerate(values)])


def simulated(new: CompiledCard, *usage: Recorded) -> Simulation:
    """All of it by that card."""
    simulation = Simulation(new)
    simulation.take(usage)
    return simulation


MINIMUM = {"unit": "u", "tiers": [{"credits_per_unit": "0.1"}], "minimum_credits": "0.5"}
TIERS = {"unit": "u", "tiers": [{"credits_per_unit": "5", "up_to": "10"}, {"credits_per_unit": "4"}]}
FINE = {"unit": "u", "tiers": [{"credits_per_unit": "0.0000025"}]}


@pytest.mark.parametrize(
    ("price", "quantity_micros", "charges", "simulated_microcredits"),
    [
        ("3", UNIT, 1, 3 * CREDIT),
        ("3", 2 * UNIT, 10, 60 * CREDIT),
        (MINIMUM, UNIT, 4, 2 * CREDIT),
        (TIERS, 12 * UNIT, 2, 116 * CREDIT),
        # Rounded for each charge, half to even, and not once for all of them: 2 and 8 microcredits.
        (FINE, UNIT, 1_000, 2_000),
        (FINE, 3 * UNIT, 1_000, 8_000),
        ("0", UNIT, 5, 0),
    ],
)
def test_a_charge_is_priced_by_itself_as_the_worker_would(
    price: Any, quantity_micros: int, charges: int, simulated_microcredits: int
) -> None:
    """Each row: a price, a quantity, how many charges of it, and what they come to."""
    simulation = simulated(card(answer=price), Recorded("acme", "answer", quantity_micros, charges, 7))
    assert simulation.rows == {"acme": Row(charges, 7, simulated_microcredits)}
    assert simulation.left_out == {}


def test_what_the_card_does_not_price_is_in_no_row() -> None:
    """Nodes that it has not, and costs that the worker would refuse: their events would be dead letters."""
    simulation = simulated(
        card(answer="3", gold="100000000"),
        Recorded("acme", "answer", UNIT, 1, 2),
        Recorded("acme", "search", UNIT, 4, 8),
        Recorded("duck", "search", UNIT, 1, 1),
        Recorded("acme", "gold", 2 * UNIT, 1, 5),
    )
    assert simulation.rows == {"acme": Row(1, 2, 3 * CREDIT)}
    assert simulation.left_out == {("search", "unknown_node"): LeftOut(5, 9), ("gold", "cost_too_large"): LeftOut(1, 5)}


def test_keys_beyond_the_bound_are_summed_together() -> None:
    """Memory does not grow with what producers call their agents."""
    simulation = Simulation(card(answer="1"), most_rows=2)
    simulation.take(Recorded(f"agent-{number}", "answer", UNIT, 1, 1) for number in range(5))
    assert {key: row.charges for key, row in simulation.rows.items()} == {"agent-0": 1, "agent-1": 1, OTHERS: 3}
    assert simulation.total().charges == 5


BEFORE, AFTER = NOON_MS * 1_000 - 1, (NOON_MS + DAY_MS) * 1_000


@pytest.mark.parametrize(
    ("chosen", "keys"),
    [
        (DAY, ["acme", "duck", "acme"]),
        (DAY._replace(account="duck"), ["duck"]),
        (DAY._replace(by="agent"), ["ada", "ada", "bob"]),
        (DAY._replace(by="node"), ["answer", "answer", "search"]),
        (DAY._replace(by="channel"), ["api", "widget", "api"]),
        (DAY._replace(priced_by=frozenset({"v2"})), ["acme"]),
        (DAY._replace(from_ms=NOON_MS + 1), ["acme"]),
        (DAY._replace(until_ms=NOON_MS), []),
    ],
)
def test_charges_are_chosen_by_the_time_of_their_events_and_keyed_as_asked(chosen: Chosen, keys: list[str]) -> None:
    """From a time on, until before another one; by account and by the card that priced them."""
    records = batches(
        charge(),
        charge(account="duck", channel="widget"),
        charge(agent="bob", node="search", rate_card="v2", occurred_at_us=AFTER - 1),
        charge(occurred_at_us=BEFORE),
        charge(occurred_at_us=AFTER),
    )
    assert [each.key for each in KafkaCharges(chosen, [], records)] == keys


@pytest.mark.parametrize(
    ("is_cut", "from_ms", "retained_from_ms"),
    [
        (False, NOON_MS - HOUR_MS, NOON_MS - HOUR_MS),
        (True, NOON_MS - HOUR_MS, BOOKED_AT_MS),
        (True, BOOKED_AT_MS + 1, BOOKED_AT_MS + 1),
    ],
)
def test_charges_that_retention_took_are_told(is_cut: bool, from_ms: int, retained_from_ms: int) -> None:
    """By when the first one that is left was booked."""
    spans = [Span(TOPICS.charges, 0, 5, 6, is_cut)]
    charges = KafkaCharges(DAY._replace(from_ms=from_ms), spans, batches(charge(), charge()))
    list(charges)
    assert charges.retained_from_ms == retained_from_ms


def test_a_record_that_is_no_charges_is_named() -> None:
    """By its place."""
    odd = Message(topic=TOPICS.charges, partition=2, offset=9, value=encode_packed((0, 1, 0, 0, ["x"])))
    with pytest.raises(UnreadableTopicError, match=r"credits\.charges/2/9"):
        list(KafkaCharges(DAY, [], iter([odd])))


ANSWER = Answer(
    simulated(
        card(answer="3"),
        Recorded("acme", "answer", UNIT, 3, 6 * CREDIT),
        Recorded("duck", "answer", UNIT, 1, 16 * CREDIT),
        Recorded("free", "answer", UNIT, 1, 0),
        Recorded("acme", "search", UNIT, 2, CREDIT),
    ),
    "account",
    "charges from Kafka credits.charges",
    ("a note",),
)


def test_people_read_a_table_with_a_total_and_where_it_is_from() -> None:
    """What cost most first."""
    assert as_table(ANSWER).splitlines() == [
        "account  charges  recorded  simulated  difference  change_percent",
        "duck           1        16          3         -13          -81.25",
        "acme           3         6          9           3           50.00",
        "free           1         0          3           3                ",
        "total          5        22         15          -7          -31.82",
        "left out: 2 charges of 'search', recorded 1: unknown_node",
        "charges from Kafka credits.charges",
        "a note",
    ]


def test_programs_read_the_same_figures_as_exact_text() -> None:
    """CSV has the rows, JSON all of it."""
    rows = list(csv.DictReader(io.StringIO(as_csv(ANSWER))))
    told = json.loads(as_json(ANSWER))
    assert [row["account"] for row in rows] == ["duck", "acme", "free"]
    assert [row["difference"] for row in rows] == [row["difference"] for row in told["rows"]] == ["-13", "3", "3"]
    assert told["total"]["simulated"] == "15"
    assert told["left_out"] == [{"node": "search", "why": "unknown_node", "charges": 2, "recorded": "1"}]
    assert (told["rate_card"], told["notes"]) == ("new", ["a note"])


GOOD_CARD = """
version = "new"
effective_at = 2030-01-01T00:00:00Z
[prices.answer]
unit = "message"
credits_per_unit = "3"
"""


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (GOOD_CARD, ("--from", "2026-11-02", "--to", "2026-11-01")),
        (GOOD_CARD, ("--from", "2026-11-01")),
        (GOOD_CARD, ("--from", "november", "--to", "2026-11-01")),
        (GOOD_CARD, ("--from", "2026-11-01", "--to", "2026-11-02", "--by", "weather")),
        ("version = 1", ("--from", "2026-11-01", "--to", "2026-11-02")),
        (GOOD_CARD.replace('"3"', '"-3"'), ("--from", "2026-11-01", "--to", "2026-11-02")),
    ],
)
def test_a_simulation_that_is_asked_for_wrongly_ends_with_2(
    text: str, arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it looks for Kafka or ClickHouse."""
    file = tmp_path / "card.toml"
    file.write_text(text)
    try:
        code = main(["simulate", "--rate-card", str(file), *arguments])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert capsys.readouterr().err

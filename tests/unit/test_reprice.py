"""What was charged is priced by another card: previewed as a worker would book it, then said by a command for each."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.charge import Charge
from schemas.codec import encode_json
from schemas.identifiers import Account, Node
from stream.__main__ import main
from stream.reprice.commands import command_of
from stream.reprice.preview import Preview
from stream.reprice.priced import Asked, Known, LeftOut, Repriced, priced
from stream.rules.commands import read_command
from stream.rules.corrected import Corrected, not_corrected
from stream.rules.ledger.corrections import ChargeNow, Piece
from stream.rules.ledger.opening import opened_by_usage
from tests.unit.booking_scene import CARD, CREDIT, DAY_MS, NOON_MS, Scene, command_record, rate_cards, usage_record
from tests.unit.booking_scene import usage as usage_of
from tests.unit.test_simulate import UNIT, batches, charge

DEARER = json.loads(CARD) | {"version": "v2", "effective_at": "2035-01-01T00:00:00Z"}
DEARER["prices"] = {
    "answer": {"unit": "message", "tiers": [{"credits_per_unit": "3"}]},
    "gold": {"unit": "bar", "tiers": [{"credits_per_unit": "100000000"}]},
}
PRO = DEARER | {"line": "pro", "prices": {"answer": {"unit": "message", "tiers": [{"credits_per_unit": "1"}]}}}
CARDS = rate_cards(CARD, json.dumps(DEARER), json.dumps(PRO))
DAY = Asked("v2", NOON_MS, NOON_MS + DAY_MS)


def known(*corrected: Corrected, pro_since_ms: int | None = None) -> Known:
    """Both lines of cards, what was corrected, and since when acme has a plan of the other line."""
    row = opened_by_usage(Account("acme"), NOON_MS).row
    row.lines = () if pro_since_ms is None else ((pro_since_ms, "pro"),)
    return Known(CARDS, {"acme": row}, {each.key: each for each in corrected})


def corrected(of: Charge, cost: int, *cards: str, is_voided: bool = False) -> Corrected:
    """An event that costs so many credits by now."""
    pieces = [Piece("burned", cost * CREDIT, "free:acme")] if cost else []
    return not_corrected(of, ChargeNow(of.account, of.source, of.id, NOON_MS, pieces, is_voided, [*cards]))


def shown(found: Sequence[Repriced | LeftOut]) -> list[tuple[int, int] | str]:
    """In whole credits: what a charge costs, and would; or why it is left out."""
    return [
        each.why
        if isinstance(each, LeftOut)
        else (each.recorded_microcredits // CREDIT, each.new_microcredits // CREDIT)
        for each in found
    ]


@pytest.mark.parametrize(
    ("changes", "what", "expected"),
    [
        ({}, known(), [(2, 3)]),
        ({"quantity_micros": 4 * UNIT, "cost_microcredits": 8 * CREDIT}, known(), [(8, 12)]),
        ({"cost_microcredits": 3 * CREDIT}, known(), ["costs as much"]),
        ({}, known(pro_since_ms=NOON_MS), [(2, 1)]),
        ({}, known(pro_since_ms=NOON_MS + 1), [(2, 3)]),
        ({}, known(corrected(charge(), 7)), [(7, 3)]),
        ({}, known(corrected(charge(), 1, "v3")), [(1, 3)]),
        ({}, known(corrected(charge(), 3, "v2")), ["was priced by that card before"]),
        ({}, known(corrected(charge(), 0, is_voided=True)), ["was voided"]),
        ({"offset": 5}, known(corrected(charge(), 0, is_voided=True)), [(2, 3)]),
        ({"node": Node("search")}, known(), ["default/v2 has no price for 'search'"]),
        (
            {"node": Node("gold"), "quantity_micros": 2 * UNIT},
            known(),
            ["would cost more than default/v2 may charge for an event"],
        ),
        ({"ingested_at_ms": NOON_MS - 90 * DAY_MS}, known(), [(2, 3)]),
        ({"ingested_at_ms": NOON_MS - 90 * DAY_MS - 1}, known(), ["was booked more than 90 days ago: adjust instead"]),
        ({"occurred_at_us": NOON_MS * 1_000 - 1}, known(), []),
        ({"occurred_at_us": (NOON_MS + DAY_MS) * 1_000}, known(), []),
    ],
)
def test_a_charge_is_priced_as_the_worker_will(changes: dict[str, Any], what: Known, expected: list[Any]) -> None:
    """Each row is how a charge of 2 credits is changed, what is known, and what it costs and would cost."""
    assert shown([*priced(DAY, what, batches(charge(**changes)), NOON_MS)]) == expected


def test_only_what_is_asked_for_is_priced() -> None:
    """Of one account, or of some cards."""
    charges = charge(), charge(account=Account("bolt")), charge(rate_card="v0")
    assert len([*priced(DAY, known(), batches(*charges), NOON_MS)]) == 3
    assert len([*priced(DAY._replace(account="bolt"), known(), batches(*charges), NOON_MS)]) == 1
    assert len([*priced(DAY._replace(priced_by={"v0"}), known(), batches(*charges), NOON_MS)]) == 1
    (unknown,) = priced(DAY._replace(rate_card="v9"), known(), batches(charge()), NOON_MS)
    assert shown([unknown]) == ["there is no rate card default/v9"]


def test_a_preview_has_a_row_for_each_account_and_says_what_is_left_out() -> None:
    """What cost most first, and a total."""
    charges = [charge(), charge(account=Account("bolt"), cost_microcredits=9 * CREDIT), charge(offset=1)]
    preview = Preview()
    preview.take(priced(DAY, known(), batches(*charges, charge(node=Node("search"))), NOON_MS))
    assert preview.lines() == [
        "account  events  recorded  new  difference",
        "bolt          1         9    3          -6",
        "acme          2         4    6           2",
        "total         3        13    9          -4",
        "left out: 1 events: default/v2 has no price for 'search'",
    ]
    assert (preview.events, preview.unpriced) == (3, 1)
    others = Preview(most_rows=1)
    others.take(priced(DAY, known(), batches(*charges), NOON_MS))
    assert {name: row.charges for name, row in others.rows.items()} == {"acme": 2, "(others)": 1}


def test_a_command_is_the_same_whenever_it_is_sent() -> None:
    """Its id is that of the event and the card; another event, place or card has another."""
    now = datetime(2025, 11, 22, 12, tzinfo=UTC)
    repriced = Repriced(3, charge(), 2 * CREDIT, 3 * CREDIT)
    command = command_of(repriced, "v2", now)
    assert command.id == command_of(repriced._replace(new_microcredits=1), "v2", datetime.now(UTC)).id
    others = [repriced._replace(charge=charge(offset=1)), repriced._replace(partition=1)]
    ids = {command.id, command_of(repriced, "v3", now).id, *(command_of(each, "v2", now).id for each in others)}
    assert len(ids) == 4
    received = read_command(encode_json(command), b"acme")
    assert (received.id, received.source) == (command.id, "reprice")  # type: ignore[union-attr]
    assert received.data == command.data  # type: ignore[union-attr]


def test_what_was_previewed_is_what_a_worker_books() -> None:
    """The difference of the preview is that of the balance; sent again, nothing is left to do."""
    scene = Scene([CARD, json.dumps(DEARER)])
    scene.book(*(usage_record(usage_of(e_id=str(each), quantity=each), offset=each) for each in range(1, 5)))
    scene.checkpoint()
    charges = [
        charge(id=str(each), offset=each, quantity_micros=each * UNIT, cost_microcredits=2 * each * CREDIT)
        for each in range(1, 5)
    ]
    found = [*priced(DAY, known(), batches(*charges), NOON_MS)]
    assert shown(found) == [(2, 3), (4, 6), (6, 9), (8, 12)]
    for round_ in range(2):
        for at, each in enumerate(found):
            assert isinstance(each, Repriced)
            value = encode_json(command_of(each._replace(partition=0), "v2", datetime(2025, 11, 22, 12, tzinfo=UTC)))
            scene.book(command_record(value, NOON_MS, round_ * 4 + at))
    assert (scene.outcomes["command"], scene.outcomes["duplicate_command"]) == (4, 4)
    assert scene.account().remaining == (500 - 30) * CREDIT


def test_a_time_that_ends_before_it_begins_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before Kafka is asked for anything."""
    assert main(["reprice", "--rate-card", "v2", "--from", "2026-12-01", "--to", "2026-11-01"]) == 2
    assert capsys.readouterr().err == "--from is not before --to\n"

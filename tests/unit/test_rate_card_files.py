"""A rate card is read from TOML exactly, or refused with all that is wrong, and published by its rules."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from producers.__main__ import main
from producers.rate_card_rules import RateCardRefusedError, row_to_withdraw, rows_to_publish
from producers.workload_settings import NODES
from schemas.codec import decode_rate_card, encode_json
from schemas.identifiers import Node, RateCardVersion
from schemas.rate_card import NodePrice, RateCard, Tier
from schemas.rate_card_file import RateCardFileError, read_rate_card

SHIPPED = sorted((Path(__file__).parents[2] / "deploy" / "rate-cards").glob("*.toml"))
HEAD = 'version = "v1"\neffective_at = 2026-01-01T00:00:00Z\n'
NOW = datetime(2026, 7, 1, tzinfo=UTC)
PRICES = {Node("message"): NodePrice(unit="message", tiers=(Tier(credits_per_unit=Decimal(1)),))}


def _read(tmp_path: Path, text: str) -> RateCard:
    path = tmp_path / "card.toml"
    path.write_text(text, encoding="utf-8")
    return read_rate_card(path)


def _card(version: str, effective_at: datetime, **changed: object) -> RateCard:
    card = RateCard(version=RateCardVersion(version), effective_at=effective_at, prices=PRICES)
    return msgspec.structs.replace(card, **changed)


def test_the_shipped_cards_are_right_and_price_all_that_is_sent() -> None:
    """Every node of the workload and the trace has a price in the first card."""
    cards = [read_rate_card(path) for path in SHIPPED]
    assert cards[0].effective_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert set(NODES) <= set(cards[0].prices)
    assert cards[0].prices[Node("message")].counts_as_message
    assert cards[0].prices[Node("llm_prompt")].tiers == (Tier(credits_per_unit=Decimal("0.0015")),)


def test_tiers_and_a_minimum_are_read() -> None:
    """The image node is graduated, the code node has a least cost."""
    prices = read_rate_card(SHIPPED[0]).prices
    assert [tier.up_to for tier in prices[Node("image")].tiers] == [10, 100, None]
    assert prices[Node("code")].minimum_credits == Decimal("0.5")


def test_a_card_survives_its_topic() -> None:
    """What is written as JSON reads as the same card, to the last decimal."""
    for path in SHIPPED:
        card = read_rate_card(path)
        assert decode_rate_card(encode_json(card)) == card


def test_a_toml_number_is_read_as_it_is_written(tmp_path: Path) -> None:
    """0.1 without quotes is a tenth, not the float nearest to it."""
    card = _read(tmp_path, HEAD + '[prices.n]\nunit = "u"\ncredits_per_unit = 0.1\n')
    assert card.prices[Node("n")].tiers == (Tier(credits_per_unit=Decimal("0.1")),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version = ", "is not TOML"),
        ('[prices.n]\nunit = "u"\ncredits_per_unit = 1\n', "version: is missing"),
        ('version = "v"\n[prices.n]\nunit = "u"\ncredits_per_unit = 1\n', "effective_at: is missing"),
        ('version = "v"\neffective_at = 2026-01-01T00:00:00\n', "effective_at: is 2026-01-01T00:00:00 without a zone"),
        ('version = "v"\neffective_at = "2026-01-01"\n', "effective_at: is '2026-01-01': give a time"),
        (HEAD, "prices: is missing"),
        (HEAD + "[prices]\n", "prices: has 0 nodes"),
        (HEAD + "colour = 1\n", "colour: unknown field; known are effective_at, line, prices, version"),
    ],
)
def test_a_wrong_card_is_told_by_its_field(tmp_path: Path, text: str, told: str) -> None:
    """The error names the file and the field."""
    with pytest.raises(RateCardFileError) as refused:
        _read(tmp_path, text)
    assert "card.toml: " in str(refused.value)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ("credits_per_unit = 1", "unit: is missing: give text"),
        ('unit = "u"', "give either credits_per_unit or tiers"),
        ('unit = "u"\ncredits_per_unit = 1\ntiers = []', "give either credits_per_unit or tiers"),
        ('unit = "u"\ncredits_per_unit = "-1"', "credits_per_unit: is -1, which is negative"),
        ('unit = "u"\ncredits_per_unit = "one"', "credits_per_unit: is 'one', which is not a decimal"),
        ('unit = "u"\ncredits_per_unit = nan', "credits_per_unit: is NaN, which is not a finite number"),
        ('unit = "u"\ncredits_per_unit = true', "credits_per_unit: is True"),
        ('unit = "u"\ncredits_per_unit = "1e10"', "credits_per_unit: is 1e10: give at most"),
        ('unit = "u"\ncredits_per_unit = "1e-19"', "credits_per_unit: is 1e-19: give at most 18 decimals"),
        ('unit = "u"\ncredits_per_unit = "0.0000005"', "one u costs 0.5 microcredits, which rounds to 0"),
        ('unit = "u"\nprice = 1\ncredits_per_unit = 1', "price: unknown field"),
        ('unit = "u"\ncredits_per_unit = 1\nminimum_credits = -1', "minimum_credits: is -1, which is negative"),
        ('unit = "u"\ncredits_per_unit = 1\ncounts_as_message = 1', "counts_as_message: is 1: give true or false"),
        ('unit = "u"\ntiers = []', "tiers: has 0 tiers"),
        ('unit = "u"\ntiers = [1]', "tiers[0]: is 1: give a table"),
        ('unit = "u"\ntiers = [{up_to = 1}, {credits_per_unit = 1}]', "tiers[0].credits_per_unit: is missing"),
        (
            'unit = "u"\ntiers = [{credits_per_unit = 1, upto = 3}]',
            "tiers[0].upto: unknown field; known are credits_per_unit, up_to",
        ),
        ('unit = "u"\ntiers = [{credits_per_unit = 1, up_to = 3}]', "tiers[0].up_to: is 3: the last tier is open"),
        (
            'unit = "u"\ntiers = [{credits_per_unit = 2}, {credits_per_unit = 1}]',
            "tiers[0].up_to: is missing: only the last tier is open",
        ),
        (
            'unit = "u"\ntiers = [{credits_per_unit = 3, up_to = 5}, {credits_per_unit = 2, up_to = 5}]',
            "tiers[1].up_to: is 5, after 5: tiers ascend",
        ),
        ('unit = "u"\ntiers = [{credits_per_unit = 1, up_to = 0}, {credits_per_unit = 1}]', "tiers[0].up_to: is 0"),
        (
            'unit = "u"\ntiers = [{credits_per_unit = 1, up_to = "0.0000001"}, {credits_per_unit = 1}]',
            "tiers[0].up_to: is 0.0000001",
        ),
    ],
)
def test_a_wrong_price_is_told_by_its_node_and_field(tmp_path: Path, price: str, told: str) -> None:
    """The error names file, node and field, and what to give."""
    with pytest.raises(RateCardFileError) as refused:
        _read(tmp_path, f"{HEAD}[prices.n]\n{price}\n")
    assert "card.toml: prices.n" in str(refused.value)
    assert told in str(refused.value)


def test_a_price_of_nothing_is_free_and_a_minimum_lifts_a_tiny_one(tmp_path: Path) -> None:
    """Zero may be meant; a price that rounds to 0 is fine where a minimum is charged."""
    text = f'{HEAD}[prices.a]\nunit = "u"\ncredits_per_unit = 0\n[prices.b]\nunit = "u"\n'
    card = _read(tmp_path, text + 'credits_per_unit = "0.0000001"\nminimum_credits = "0.01"\n')
    assert len(card.prices) == 2


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """One line for each problem."""
    text = f'{HEAD}[prices.a]\nunit = ""\ncredits_per_unit = -1\n[prices.b]\nunit = "u"\n'
    with pytest.raises(RateCardFileError) as refused:
        _read(tmp_path, text)
    assert len(str(refused.value).splitlines()) == 3


def test_the_first_cards_of_a_line_need_no_notice() -> None:
    """All cards of one publication, in order of time; the rows say when they were published."""
    cards = [_card("b", NOW - timedelta(days=1)), _card("a", NOW - timedelta(days=9))]
    rows = rows_to_publish(cards, [], NOW, reprice=False)
    assert [(row.version, row.published_at, row.reprice) for row in rows] == [("a", NOW, False), ("b", NOW, False)]


@pytest.mark.parametrize(("notice_seconds", "is_accepted"), [(59, False), (60, True), (-5, False)])
def test_a_later_card_wants_a_minutes_notice(notice_seconds: int, is_accepted: bool) -> None:
    """Or else --reprice, which marks it."""
    card = _card("b", NOW + timedelta(seconds=notice_seconds))
    published = [_card("a", NOW - timedelta(days=9), published_at=NOW)]
    if is_accepted:
        assert [row.reprice for row in rows_to_publish([card], published, NOW, reprice=False)] == [False]
    else:
        with pytest.raises(RateCardRefusedError, match="less than 60 s from now: give a later time, or pass"):
            rows_to_publish([card], published, NOW, reprice=False)
    assert [row.reprice for row in rows_to_publish([card], published, NOW, reprice=True)] == [not is_accepted]


def test_another_line_is_another_matter() -> None:
    """Its first card needs no notice and may be effective at the same time."""
    published = [_card("a", NOW, published_at=NOW)]
    assert rows_to_publish([_card("a", NOW, line="partners")], published, NOW, reprice=False)


def test_a_card_published_again_changes_nothing() -> None:
    """Unless its content differs: then it is refused."""
    published = [_card("a", NOW, published_at=NOW, reprice=True)]
    assert rows_to_publish([_card("a", NOW)], published, NOW, reprice=False) == []
    with pytest.raises(RateCardRefusedError, match="published with other content: give it a new version"):
        rows_to_publish([_card("a", NOW + timedelta(days=1))], published, NOW, reprice=False)


def test_two_cards_of_a_line_are_not_effective_at_once() -> None:
    """Neither beside a published one nor in one publication, except when the other is withdrawn."""
    other = _card("a", NOW + timedelta(days=1), published_at=NOW)
    card = _card("b", NOW + timedelta(days=1))
    with pytest.raises(RateCardRefusedError, match="and so is a"):
        rows_to_publish([card], [other], NOW, reprice=False)
    with pytest.raises(RateCardRefusedError, match="and so is"):
        rows_to_publish([card, other], [], NOW, reprice=False)
    assert rows_to_publish([card], [msgspec.structs.replace(other, withdrawn=True)], NOW, reprice=False)


def test_a_card_is_withdrawn_by_a_row_once() -> None:
    """Its content stays, and its version cannot come back."""
    published = [_card("a", NOW, published_at=NOW)]
    row = row_to_withdraw("default", "a", published)
    assert row == msgspec.structs.replace(published[0], withdrawn=True)
    assert row_to_withdraw("default", "a", [row]) is None
    with pytest.raises(RateCardRefusedError, match="was withdrawn: publish it under a new version"):
        rows_to_publish([_card("a", NOW)], [row], NOW, reprice=False)
    with pytest.raises(RateCardRefusedError, match="rate card z of line default was never published"):
        row_to_withdraw("default", "z", published)


def test_check_tells_of_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1 when one of them is wrong, 0 when none is."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(HEAD)
    assert main(["rate-card", "check", str(SHIPPED[0])]) == 0
    assert main(["rate-card", "check", str(wrong), str(tmp_path / "absent.toml"), str(SHIPPED[0])]) == 1
    told = capsys.readouterr()
    assert "wrong.toml: prices: is missing" in told.err
    assert "absent.toml: cannot be read" in told.err
    assert told.out.count("right") == 2

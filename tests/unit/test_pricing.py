"""Prices, as tables: given a price and a quantity, what an event costs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from schemas.identifiers import Node, RateCardVersion
from schemas.rate_card import NodePrice, RateCard, Tier
from schemas.rate_card_check import problems
from stream.rules.pricing import BadRateCardError, CompiledPrice, CostTooLargeError, compile_card
from stream.rules.rate_cards import ALWAYS_US, FOREVER_US, RateCards

NODE = Node("llm_prompt")
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY_US = 1_767_225_600_000_000
DAY_US = 86_400_000_000


def price(*tiers: tuple[str, str | None] | str, minimum: str = "0", message: bool = False) -> NodePrice:
    """A price whose tiers are (credits per unit, up to), the last one's end left out."""
    pairs = [(tier, None) if isinstance(tier, str) else tier for tier in tiers]
    return NodePrice(
        unit="token",
        tiers=tuple(Tier(Decimal(per_unit), None if end is None else Decimal(end)) for per_unit, end in pairs),
        minimum_credits=Decimal(minimum),
        counts_as_message=message,
    )


def card(version: str, *, day: int = 0, published: int = 0, line: str = "default", **prices: NodePrice) -> RateCard:
    """A card effective some days after 1 January 2026, published some seconds after it."""
    return RateCard(
        version=RateCardVersion(version),
        effective_at=JANUARY + timedelta(days=day),
        prices={Node(node): each for node, each in prices.items()} or {NODE: price("0.0015")},
        line=line,
        published_at=JANUARY + timedelta(seconds=published),
    )


def compiled(node_price: NodePrice) -> CompiledPrice:
    """The one price of a card, compiled."""
    return compile_card(card("v1", node=node_price)).prices[Node("node")]


COSTS = [
    # the price                                                      quantity in micros   microcredits
    (price("0.0015"), 1_000_000, 1_500),
    (price("0.0015"), 10**16, 15 * 10**12),
    (price("1"), 1, 1),
    (price("0"), 5_000_000, 0),
    # flat, a broken quantity: half a microcredit goes to the even neighbour
    (price("0.000001"), 500_000, 0),
    (price("0.000001"), 500_001, 1),
    (price("0.000001"), 1_500_000, 2),
    (price("0.000001"), 2_500_000, 2),
    # finer than a microcredit a unit
    (price("0.0000015"), 1_000_000, 2),
    (price("0.0000015"), 3_000_000, 4),
    (price("0.000002500001"), 1_000_000, 3),
    (price("0.000001234567"), 10**12, 1_234_567),
    # the minimum
    (price("0.001", minimum="0.01"), 1_000_000, 10_000),
    (price("0.001", minimum="0.01"), 10_000_000, 10_000),
    (price("0.001", minimum="0.01"), 11_000_000, 11_000),
    # graduated: each tier prices its own part of the quantity
    (price(("2", "10"), ("1", "20"), "0.5"), 1_000_000, 2_000_000),
    (price(("2", "10"), ("1", "20"), "0.5"), 10_000_000, 20_000_000),
    (price(("2", "10"), ("1", "20"), "0.5"), 10_000_001, 20_000_001),
    (price(("2", "10"), ("1", "20"), "0.5"), 20_000_000, 30_000_000),
    (price(("2", "10"), ("1", "20"), "0.5"), 22_000_000, 31_000_000),
    # rounded once: two halves from two tiers are a whole
    (price(("0.000001", "0.5"), "0.000001"), 1_000_000, 1),
    # an expensive second tier
    (price(("0", "100"), "0.25", minimum="1"), 100_000_000, 1_000_000),
    (price(("0", "100"), "0.25", minimum="1"), 104_000_000, 1_000_000),
    (price(("0", "100"), "0.25", minimum="1"), 105_000_000, 1_250_000),
]


@pytest.mark.parametrize(("node_price", "quantity_micros", "expected"), COSTS)
def test_an_event_costs_its_tiers_or_the_minimum(node_price: NodePrice, quantity_micros: int, expected: int) -> None:
    """A cost is the greater of the minimum and the tiers' sum, rounded half-even once."""
    assert compiled(node_price).cost_microcredits(quantity_micros) == expected


@pytest.mark.parametrize(
    ("node_price", "flat"),
    [
        (price("0.0015"), 1_500),
        (price("0"), 0),
        (price("0.0000015"), None),
        (price("0.0015", minimum="1"), None),
        (price(("1", "5"), "1"), None),
    ],
)
def test_a_price_is_flat_when_a_unit_costs_whole_microcredits(node_price: NodePrice, flat: int | None) -> None:
    """One tier of whole microcredits and no minimum: anything else has no flat price."""
    assert compiled(node_price).flat_microcredits == flat


def test_the_largest_cost_is_charged_and_a_larger_one_refused() -> None:
    """10¹⁴ microcredits is a cost; one unit more is refused, flat price or not."""
    for node_price in (price("1000"), price("1000", minimum="0.1")):
        assert compiled(node_price).cost_microcredits(10**11) == 10**14
        with pytest.raises(CostTooLargeError, match="the most is"):
            compiled(node_price).cost_microcredits(10**11 + 1_000_000)


def test_a_price_says_whether_it_counts_as_a_message() -> None:
    """A message node counts one message an event, any other none."""
    assert compiled(price("1", message=True)).messages == 1
    assert compiled(price("1")).messages == 0


BAD_PRICES = [
    (price("-1"), "tier 1: credits_per_unit is -1; it must not be negative"),
    (price("NaN"), "tier 1: credits_per_unit is NaN, which is not a number"),
    (price("Infinity"), "not a number"),
    (price("1e13"), "must not be above 1000000000000"),
    (price("1e999999999"), "must not be above 1000000000000"),
    (price("0.0000015000001"), "must have at most 12 decimals"),
    (price("1e-999999999"), "must have at most 12 decimals"),
    (price("1", minimum="-0.5"), "minimum_credits is -0.5; it must not be negative"),
    (price(("1", "5")), "tier 1: up_to is 5; the last tier must be open"),
    (price("1", "2"), "tier 1: up_to is missing"),
    (price(("1", "5"), ("2", "5"), "3"), "tier 2: up_to is 5; it must be above 5"),
    (price(("1", "5"), ("2", "4"), "3"), "tier 2: up_to is 4; it must be above 5"),
    (price(("1", "0"), "3"), "tier 1: up_to is 0; it must be above 0"),
    (price(("1", "NaN"), "3"), "tier 1: up_to is NaN, which is not a number"),
    (price(("1", "2000000000000"), "3"), "at most 1000000000000"),
    (price(("1", "1.0000001"), "3"), "must have at most 6 decimals"),
    (price("0.0000005"), "one unit costs more than nothing and is rounded to 0 microcredits"),
    (price("0", minimum="0.0000004"), "one unit costs more than nothing and is rounded to 0 microcredits"),
    (
        price(("0.000000000001", "1"), "5"),
        "one unit costs more than nothing and is rounded to 0 microcredits",
    ),
]


@pytest.mark.parametrize(("node_price", "expected"), BAD_PRICES)
def test_a_bad_price_is_named_with_its_node_and_field(node_price: NodePrice, expected: str) -> None:
    """Exactly one problem is told, with the node, and compiling the card is refused with it."""
    bad = card("v1", search=node_price)
    (problem,) = problems(bad)
    assert problem.startswith("node 'search': ")
    assert expected in problem
    with pytest.raises(BadRateCardError, match="rate card default/v1 cannot be used: node 'search'"):
        compile_card(bad)


@pytest.mark.parametrize(
    "node_price",
    [
        price("0"),
        price("1.5000000000000000000"),
        price("0e-99999999"),
        price("0.000000500001"),
        price("0.0000015"),
    ],
)
def test_a_good_price_has_no_problem(node_price: NodePrice) -> None:
    """Free nodes, trailing zeros and unit costs that round to a microcredit are fine."""
    assert problems(card("v1", node=node_price)) == []


def test_a_nameless_node_is_a_problem() -> None:
    """A node's name has 1 to 256 characters."""
    assert len(problems(RateCard(RateCardVersion("v1"), JANUARY, {Node(""): price("1")}))) == 1


def test_a_card_is_effective_from_its_time_until_the_next_ones() -> None:
    """The interval asked for says which card and how long, its start included and its end not."""
    book = RateCards().with_card(card("v2", day=2)).with_card(card("v1"))
    assert [book.card_at("default", JANUARY_US + offset_us) for offset_us in (-1, DAY_US, 3 * DAY_US)] == [
        None,
        compile_card(card("v1")),
        compile_card(card("v2", day=2)),
    ]
    assert book.interval_at("default", JANUARY_US - 1) == (ALWAYS_US, JANUARY_US, None)
    first = book.interval_at("default", JANUARY_US)
    assert (first.from_us, first.until_us) == (JANUARY_US, JANUARY_US + 2 * DAY_US)
    assert book.interval_at("default", JANUARY_US + 2 * DAY_US - 1) == first
    assert book.interval_at("default", JANUARY_US + 2 * DAY_US).until_us == FOREVER_US


def test_a_line_has_its_own_cards() -> None:
    """A card of one line prices nothing in another, and an unknown line has none."""
    book = RateCards().with_card(card("v1", line="enterprise"))
    assert book.card_at("enterprise", JANUARY_US) is not None
    assert book.interval_at("default", JANUARY_US) == (ALWAYS_US, FOREVER_US, None)


def test_a_withdrawn_card_gives_its_time_back_to_the_one_before() -> None:
    """After a withdrawal the book is as if the card had never been there."""
    book = RateCards().with_card(card("v1")).with_card(card("v2", day=1))
    withdrawn = RateCard(RateCardVersion("v2"), JANUARY + timedelta(days=1), {NODE: price("1")}, withdrawn=True)
    at_us = JANUARY_US + 2 * DAY_US
    assert book.with_card(withdrawn).card_at("default", at_us) == compile_card(card("v1"))
    assert book.card_at("default", at_us) == compile_card(card("v2", day=1))


def test_of_two_cards_with_one_effective_time_the_first_published_stays() -> None:
    """Whatever the order of reading; the other is told as unused, and used once the first is withdrawn."""
    first, second = card("v1", published=1), card("v0", published=2)
    withdrawn = RateCard(RateCardVersion("v1"), JANUARY, {NODE: price("1")}, withdrawn=True)
    for book in (
        RateCards().with_card(first).with_card(second),
        RateCards().with_card(second).with_card(first),
    ):
        assert book.card_at("default", JANUARY_US) == compile_card(first)
        assert list(book.unused) == [("default", "v0")]
        assert "default/v1 is effective from the same time" in book.unused["default", "v0"]
        assert book.with_card(withdrawn).card_at("default", JANUARY_US) == compile_card(second)


def test_a_bad_row_is_told_and_prices_nothing() -> None:
    """A bad card leaves the others in use, and a later good row of the same version takes its place."""
    book = RateCards().with_card(card("v1")).with_card(card("v2", day=1, search=price("-1")))
    assert book.card_at("default", JANUARY_US + DAY_US) == compile_card(card("v1"))
    assert "must not be negative" in book.unused["default", "v2"]
    mended = book.with_card(card("v2", day=1))
    assert mended.card_at("default", JANUARY_US + DAY_US) == compile_card(card("v2", day=1))
    assert mended.unused == {}

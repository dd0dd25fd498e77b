"""Costs and effective cards against models in fractions and plain lists."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from schemas.identifiers import Node, RateCardVersion
from schemas.rate_card import NodePrice, RateCard, Tier
from schemas.rate_card_check import problems
from stream.rules.pricing import LARGEST_COST_MICROCREDITS, CostTooLargeError, compile_card
from stream.rules.rate_cards import RateCards

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH_US = 1_767_225_600_000_000
NODE = Node("node")

amounts = st.one_of(
    st.integers(0, 10**7).map(lambda micros: Decimal(micros).scaleb(-6)),
    st.integers(0, 10**15).map(lambda picos: Decimal(picos).scaleb(-12)),
    st.integers(10**6, 10**12).map(Decimal),
)
quantities_micros = st.one_of(
    st.integers(1, 10**4).map(lambda units: units * 10**6), st.integers(1, 10**10), st.integers(1, 10**18)
)


@st.composite
def node_prices(draw: st.DrawFn) -> NodePrice:
    """A price that may be published: one to five tiers, often with a minimum."""
    ends = sorted(draw(st.sets(st.integers(1, 10**10), max_size=4)))
    tiers = [Tier(draw(amounts), Decimal(end).scaleb(-6)) for end in ends]
    minimum = draw(st.one_of(st.just(Decimal(0)), amounts))
    return NodePrice("unit", (*tiers, Tier(draw(amounts))), minimum)


def modelled_microcredits(price: NodePrice, quantity_micros: int) -> int:
    """The cost by the definition: every tier's part of the quantity, in fractions."""
    quantity, below, cost = Fraction(quantity_micros, 10**6), Fraction(0), Fraction(0)
    for tier in price.tiers:
        end = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))
        cost += max(Fraction(0), end - below) * Fraction(tier.credits_per_unit)
        below = max(below, end)
    return round(max(cost, Fraction(price.minimum_credits)) * 10**6)


def card_of(price: NodePrice) -> RateCard:
    """A card with that price alone."""
    return RateCard(RateCardVersion("v1"), EPOCH, {NODE: price})


@given(node_prices(), quantities_micros)
def test_a_cost_is_the_model_in_fractions(price: NodePrice, quantity_micros: int) -> None:
    """Whatever the price and quantity, the integer arithmetic is exact, and too large a cost is refused."""
    if problems(card_of(price)):
        return
    expected = modelled_microcredits(price, quantity_micros)
    compiled = compile_card(card_of(price)).prices[NODE]
    try:
        assert compiled.cost_microcredits(quantity_micros) == expected
    except CostTooLargeError:
        assert expected > LARGEST_COST_MICROCREDITS
    else:
        assert expected <= LARGEST_COST_MICROCREDITS


@given(node_prices(), st.integers(1, 10**9))
def test_a_flat_price_times_units_is_the_cost(price: NodePrice, units: int) -> None:
    """Where there is a flat price, the shortcut for whole units is the same cost."""
    if problems(card_of(price)):
        return
    flat = compile_card(card_of(price)).prices[NODE].flat_microcredits
    if flat is not None:
        assert flat * units == modelled_microcredits(price, units * 10**6)


@given(node_prices(), quantities_micros, quantities_micros)
def test_more_never_costs_less(price: NodePrice, one_micros: int, other_micros: int) -> None:
    """A cost does not fall as the quantity rises."""
    if problems(card_of(price)):
        return
    compiled = compile_card(card_of(price)).prices[NODE]
    try:
        less, more = (compiled.cost_microcredits(each) for each in sorted((one_micros, other_micros)))
    except CostTooLargeError:
        return
    assert less <= more


@given(node_prices())
def test_a_card_without_problems_charges_a_unit_or_is_free(price: NodePrice) -> None:
    """The check refuses exactly the prices whose unit costs something and is rounded to nothing."""
    exact = max(
        modelled_microcredits(scaled(price, 10**6), 10**6), 0
    )  # in 10⁻¹² credits, where every price of one unit is whole
    refused = [problem for problem in problems(card_of(price)) if "rounded to 0 microcredits" in problem]
    assert bool(refused) == (exact > 0 and modelled_microcredits(price, 10**6) == 0)


def scaled(price: NodePrice, factor: int) -> NodePrice:
    """The same price, a number of times as high."""
    tiers = tuple(Tier(tier.credits_per_unit * factor, tier.up_to) for tier in price.tiers)
    return NodePrice(price.unit, tiers, price.minimum_credits * factor)


rows = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 4), st.booleans()), min_size=1, max_size=12
)


@given(rows, st.lists(st.integers(-1, 8), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_a_book_depends_on_the_latest_rows_alone(
    book_rows: list[tuple[int, int, int, bool]], hours: list[int], draw: Random
) -> None:
    """After compaction, in whatever order, what is effective is what a plain list of the latest rows says."""
    written = [
        RateCard(
            RateCardVersion(f"v{version}"),
            EPOCH + timedelta(hours=hour),
            {NODE: NodePrice("unit", (Tier(Decimal(1)),))},
            published_at=EPOCH + timedelta(seconds=published),
            withdrawn=withdrawn,
        )
        for version, hour, published, withdrawn in book_rows
    ]
    latest = {row.version: row for row in written}
    live = RateCards()
    for row in written:
        live = live.with_card(row)
    restarted = RateCards()
    for row in draw.sample(list(latest.values()), len(latest)):
        restarted = restarted.with_card(row)
    for hour in hours:
        at_us = EPOCH_US + hour * 3_600_000_000
        expected = modelled_version(list(latest.values()), hour)
        for book in (live, restarted):
            card = book.card_at("default", at_us)
            assert (card and card.version) == expected
            interval = book.interval_at("default", at_us)
            assert interval.from_us <= at_us < interval.until_us


def modelled_version(cards: list[RateCard], hour: int) -> str | None:
    """The version in use by the definition: the latest effective one, of equal ones the first published."""
    known = [card for card in cards if not card.withdrawn and card.effective_at <= EPOCH + timedelta(hours=hour)]
    if not known:
        return None
    latest = max(card.effective_at for card in known)
    equal = [card for card in known if card.effective_at == latest]
    return min(equal, key=lambda card: (card.published_at or EPOCH, card.version)).version

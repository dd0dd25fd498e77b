"""What a usage event costs: graduated tiers of its own quantity, in whole microcredits, without a float.

Prices are held in picocredits (10⁻¹² credits) a unit and quantities in micros (10⁻⁶ units), so that a cost is
an exact integer of 10⁻¹⁸ credits until it is rounded, once, half-even, to a microcredit.
"""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from schemas.credits import QUANTITY_MICROS_PER_UNIT
from schemas.identifiers import Node, RateCardVersion
from schemas.rate_card import NodePrice, RateCard
from schemas.rate_card_check import problems

LARGEST_COST_MICROCREDITS = 10**14

_PICOCREDITS_PER_CREDIT = 10**12
_PICOCREDITS_PER_MICROCREDIT = 10**6
_FINEST_PER_MICROCREDIT = 10**12
_MOST_SHOWN = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class CostTooLargeError(ValueError):
    """A cost above 10¹⁴ microcredits: an account's total must fit into 64 bits."""


class BadRateCardError(ValueError):
    """A rate card that cannot be used, and why."""


class CompiledTier(Struct, frozen=True, gc=False):
    """One tier: above which quantity it begins, what a unit costs, and what all tiers below it cost."""

    above_micros: int
    picocredits_per_unit: int
    below_cost: int


class CompiledPrice(Struct, frozen=True):
    """The price of a node; `flat_microcredits` is set when a unit costs a whole number of microcredits.

    With it, a whole number of units costs `flat_microcredits` times it, up to LARGEST_COST_MICROCREDITS.
    """

    node: Node
    tiers: tuple[CompiledTier, ...]
    minimum_cost: int
    messages: int
    unit: str
    flat_microcredits: int | None

    def cost_microcredits(self, quantity_micros: int) -> int:
        """The cost of that quantity (10⁻⁶ units, above 0); CostTooLargeError above 10¹⁴ microcredits."""
        if self.flat_microcredits is not None:
            cost, rest = divmod(self.flat_microcredits * quantity_micros, QUANTITY_MICROS_PER_UNIT)
            if rest:
                cost = _rounded_half_even(cost, rest, QUANTITY_MICROS_PER_UNIT)
        else:
            exact = max(self.minimum_cost, self._tiers_cost(quantity_micros))
            cost, rest = divmod(exact, _FINEST_PER_MICROCREDIT)
            if rest:
                cost = _rounded_half_even(cost, rest, _FINEST_PER_MICROCREDIT)
        if cost > LARGEST_COST_MICROCREDITS:
            raise CostTooLargeError(
                f"{quantity_micros} micros of a {self.unit} cost {cost} microcredits; the most is 10^14: "
                "correct the quantity, or the node's price"
            )
        return cost

    def _tiers_cost(self, quantity_micros: int) -> int:
        tiers = self.tiers
        # At the very end of a tier both formulas agree, so which of the two is found does not matter.
        tier = tiers[0] if len(tiers) == 1 else tiers[bisect_left(tiers, quantity_micros, key=_above_micros) - 1]
        return tier.below_cost + (quantity_micros - tier.above_micros) * tier.picocredits_per_unit


class CompiledCard(Struct, frozen=True):
    """A rate card ready to price with: its prices by node; times in microseconds since 1970, UTC."""

    line: str
    version: RateCardVersion
    effective_at_us: int
    published_at_us: int
    prices: dict[Node, CompiledPrice]


def compile_card(card: RateCard) -> CompiledCard:
    """The card in exact integers; BadRateCardError names its problems, the first ten of them."""
    found = problems(card)
    if found:
        more = f"; and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
        shown = "; ".join(found[:_MOST_SHOWN])
        raise BadRateCardError(f"rate card {card.line}/{card.version} cannot be used: {shown}{more}")
    return CompiledCard(
        line=card.line,
        version=card.version,
        effective_at_us=_microseconds(card.effective_at),
        published_at_us=0 if card.published_at is None else _microseconds(card.published_at),
        prices={node: _compiled_price(node, price) for node, price in card.prices.items()},
    )


def _compiled_price(node: Node, price: NodePrice) -> CompiledPrice:
    tiers = _compiled_tiers(price)
    minimum_cost = _exact(price.minimum_credits, _PICOCREDITS_PER_CREDIT) * QUANTITY_MICROS_PER_UNIT
    whole, rest = divmod(tiers[0].picocredits_per_unit, _PICOCREDITS_PER_MICROCREDIT)
    return CompiledPrice(
        node=node,
        tiers=tiers,
        minimum_cost=minimum_cost,
        messages=int(price.counts_as_message),
        unit=price.unit,
        flat_microcredits=whole if len(tiers) == 1 and not rest and not minimum_cost else None,
    )


def _compiled_tiers(price: NodePrice) -> tuple[CompiledTier, ...]:
    tiers = []
    above_micros, below_cost = 0, 0
    for tier in price.tiers:
        picocredits = _exact(tier.credits_per_unit, _PICOCREDITS_PER_CREDIT)
        tiers.append(CompiledTier(above_micros, picocredits, below_cost))
        if tier.up_to is not None:
            end_micros = _exact(tier.up_to, QUANTITY_MICROS_PER_UNIT)
            below_cost += (end_micros - above_micros) * picocredits
            above_micros = end_micros
    return tuple(tiers)


def _above_micros(tier: CompiledTier) -> int:
    return tier.above_micros


def _exact(amount: Decimal, scale: int) -> int:
    return int(Fraction(amount) * scale)


def _rounded_half_even(whole: int, rest: int, unit: int) -> int:
    return whole + (2 * rest > unit or (2 * rest == unit and whole & 1))


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND

"""What a rate card must keep beyond its shape, said by node and field, before it is published or adopted."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from schemas.credits import MICROCREDITS_PER_CREDIT
from schemas.rate_card import NodePrice, RateCard
from schemas.usage import LARGEST_QUANTITY, LONGEST_NAME

PRICE_DECIMALS = 12
QUANTITY_DECIMALS = 6
MOST_DIGITS = 60
LARGEST_PRICE_CREDITS = 10**12
"""More than this for one unit is more than any event may cost."""


def problems(card: RateCard) -> list[str]:
    """Every reason not to use the card, each naming node and field; empty when there is none."""
    return [
        f"node {_named(node)}: {problem}" for node, price in card.prices.items() for problem in _of_node(node, price)
    ]


def _of_node(node: str, price: NodePrice) -> Iterator[str]:
    if not 0 < len(node) <= LONGEST_NAME:
        yield f"its name must have 1 to {LONGEST_NAME} characters"
    found = [*_of_numbers(price), *_of_tier_ends(price)]
    yield from found
    if not found and _costs_something_that_rounds_to_nothing(price):
        yield "one unit costs more than nothing and is rounded to 0 microcredits; price a larger unit"


def _of_numbers(price: NodePrice) -> Iterator[str]:
    yield from _of_amount("minimum_credits", price.minimum_credits)
    for number, tier in enumerate(price.tiers, start=1):
        yield from _of_amount(f"tier {number}: credits_per_unit", tier.credits_per_unit)


def _of_amount(field: str, amount: Decimal) -> Iterator[str]:
    if not amount.is_finite():
        yield f"{field} is {amount}, which is not a number"
    elif amount < 0:
        yield f"{field} is {_shown(amount)}; it must not be negative"
    elif amount > LARGEST_PRICE_CREDITS:
        yield f"{field} is {_shown(amount)}; it must not be above {LARGEST_PRICE_CREDITS}"
    elif _has_more_decimals(amount, PRICE_DECIMALS):
        yield f"{field} is {_shown(amount)}; it must have at most {PRICE_DECIMALS} decimals"


def _of_tier_ends(price: NodePrice) -> Iterator[str]:
    last = len(price.tiers)
    below = Decimal(0)
    for number, tier in enumerate(price.tiers, start=1):
        field, end = f"tier {number}: up_to", tier.up_to
        if number == last:
            if end is not None:
                yield f"{field} is {_shown(end)}; the last tier must be open: leave it out"
        elif end is None:
            yield f"{field} is missing; only the last tier is open"
        elif not end.is_finite():
            yield f"{field} is {end}, which is not a number"
        elif not below < end <= LARGEST_QUANTITY:
            yield f"{field} is {_shown(end)}; it must be above {_shown(below)} and at most {LARGEST_QUANTITY}"
        elif _has_more_decimals(end, QUANTITY_DECIMALS):
            yield f"{field} is {_shown(end)}; it must have at most {QUANTITY_DECIMALS} decimals"
        else:
            below = end


def _has_more_decimals(amount: Decimal, most: int) -> bool:
    """Whether there are digits behind that many decimals; trailing zeros are none, up to 60 digits."""
    _, digits, exponent = amount.as_tuple()
    behind = -int(exponent) - most
    return len(digits) > MOST_DIGITS or (behind > 0 and any(digits[-behind:]))


def _costs_something_that_rounds_to_nothing(price: NodePrice) -> bool:
    cost, start = Fraction(0), Fraction(0)
    for tier in price.tiers:
        end = Fraction(1) if tier.up_to is None else min(Fraction(tier.up_to), Fraction(1))
        cost += (end - start) * Fraction(tier.credits_per_unit)
        start = end
    cost = max(cost, Fraction(price.minimum_credits))
    return cost > 0 and round(cost * MICROCREDITS_PER_CREDIT) == 0


def _named(node: str) -> str:
    return repr(node if len(node) <= LONGEST_NAME else f"{node[:LONGEST_NAME]}…")


def _shown(amount: Decimal) -> str:
    return str(amount)[:40]

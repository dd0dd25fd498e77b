"""What makes a price usable: exact amounts, tiers that ascend, and no cost that rounds to nothing."""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise

from schemas.credits import MICROCREDITS_PER_CREDIT, parse_micros
from schemas.rate_card import NodePrice
from schemas.usage import LARGEST_QUANTITY


class WrongFieldError(Exception):
    """What is wrong with a field, to be read after its name."""


_LARGEST_AMOUNT = Decimal(10) ** 9
_MOST_DECIMALS = 18


def read_amount(value: object) -> Decimal:
    """An amount of credits, 0 to 10⁹ with at most 18 decimals; WrongFieldError says what is wrong."""
    if value is None:
        raise WrongFieldError('is missing: give credits as text, such as "0.0015"')
    amount = _decimal(value)
    if amount < 0:
        raise WrongFieldError(f"is {value}, which is negative: give 0 or more")
    if amount > _LARGEST_AMOUNT:
        raise WrongFieldError(f"is {value}: give at most {_LARGEST_AMOUNT} credits")
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_MOST_DECIMALS:
        raise WrongFieldError(f"is {value}: give at most {_MOST_DECIMALS} decimals")
    return amount


def read_quantity(value: object) -> Decimal:
    """The end of a tier: a quantity above 0 with at most six decimals; WrongFieldError says what is wrong."""
    quantity = _decimal(value)
    try:
        parse_micros(quantity)
    except ValueError as error:
        raise WrongFieldError(f"is {value}: {error}") from None
    if not 0 < quantity <= LARGEST_QUANTITY:
        raise WrongFieldError(f"is {value}: give a quantity above 0 and at most {LARGEST_QUANTITY}")
    return quantity


def price_problems(price: NodePrice) -> Iterator[tuple[str, str]]:
    """The fields of a price that do not fit together, and why."""
    ends = [tier.up_to for tier in price.tiers]
    for index, end in enumerate(ends[:-1]):
        if end is None:
            yield f"tiers[{index}].up_to", "is missing: only the last tier is open"
    if ends[-1] is not None:
        yield f"tiers[{len(ends) - 1}].up_to", f"is {ends[-1]}: the last tier is open, leave up_to out"
    given = [end for end in ends if end is not None]
    for index, (before, after) in enumerate(pairwise(given), 1):
        if after <= before:
            yield f"tiers[{index}].up_to", f"is {after}, after {before}: tiers ascend"
    cost = _cost_of_one(price)
    if cost and not round(cost):
        field = "credits_per_unit" if len(price.tiers) == 1 else "tiers"
        costs = f"one {price.unit} costs {float(cost):g} microcredits, which rounds to 0"
        yield field, f"{costs}: raise the price, give minimum_credits, or count in a larger unit"


def _cost_of_one(price: NodePrice) -> Fraction:
    """What an event of quantity 1 costs, in microcredits, before it is rounded."""
    cost, begin, one = Fraction(0), Fraction(0), Fraction(1)
    for tier in price.tiers:
        end = one if tier.up_to is None else min(one, Fraction(tier.up_to))
        if end > begin:
            cost += (end - begin) * Fraction(tier.credits_per_unit)
            begin = end
    return max(cost, Fraction(price.minimum_credits)) * MICROCREDITS_PER_CREDIT


def _decimal(value: object) -> Decimal:
    # TOML's own numbers were read as Decimal: no float was ever made of them.
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise WrongFieldError(f'is {value!r}: give decimal text, such as "0.0015"')
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise WrongFieldError(f'is {value!r}, which is not a decimal number: write it as "0.0015"') from None
    if not amount.is_finite():
        raise WrongFieldError(f"is {value}, which is not a finite number")
    return amount

"""Credits are integers of 10⁻⁶: no float touches money."""

from decimal import Decimal, InvalidOperation
from typing import NewType

Microcredits = NewType("Microcredits", int)

MICROCREDITS_PER_CREDIT = 1_000_000
QUANTITY_MICROS_PER_UNIT = 1_000_000
FREE_GRANT_MICROCREDITS = Microcredits(500 * MICROCREDITS_PER_CREDIT)
LARGEST_TOTAL_MICROCREDITS = 4 * 10**18
"""The most that an account is charged or granted in all: totals are written in 64 bits."""
_DECIMALS = 6
_DIGITS = 60
_LARGEST_EXPONENT = 18
_LONGEST_SHOWN = 40


def parse_micros(text: str | int | Decimal) -> int:
    """Decimal text of at most six decimals as an integer of 10⁻⁶; ValueError says what is wrong."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{_shown(text)} is not a decimal number") from None
    if not value.is_finite():
        raise ValueError(f"{_shown(text)} is not a finite number")
    if not value:
        return 0
    _, digits, exponent = value.as_tuple()
    # Before scaling: 1e999999999 would otherwise be written out in full.
    if len(digits) > _DIGITS or not -_DECIMALS <= value.adjusted() <= _LARGEST_EXPONENT:
        raise ValueError(f"{_shown(value)} is outside what is counted: 0.000001 to 10^18, {_DIGITS} digits")
    coefficient = int("".join(map(str, digits)))
    shift = int(exponent) + _DECIMALS
    scale: int = 10 ** abs(shift)
    micros, lost = (coefficient * scale, 0) if shift >= 0 else divmod(coefficient, scale)
    if lost:
        raise ValueError(f"{_shown(text)} has more than {_DECIMALS} decimals")
    return -micros if value.is_signed() else micros


def parse_credits(text: str | int | Decimal) -> Microcredits:
    """Credits written as decimal text, in microcredits; ValueError says what is wrong."""
    return Microcredits(parse_micros(text))


def format_credits(amount: int) -> str:
    """Microcredits as decimal text of credits, without trailing zeros: 1500000 is `1.5`."""
    whole, micros = divmod(abs(amount), MICROCREDITS_PER_CREDIT)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{micros:06d}".rstrip("0").rstrip(".")


def _shown(text: str | int | Decimal) -> str:
    """The start of it: a message repeats no megabyte."""
    return repr(str(text)[:_LONGEST_SHOWN])

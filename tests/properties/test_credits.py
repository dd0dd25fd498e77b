"""What holds for every amount of credits."""

from decimal import Decimal, localcontext
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.credits import format_credits, parse_credits, parse_micros

AMOUNTS = st.integers(-(10**24), 10**24)


@settings(deadline=None)
@given(AMOUNTS)
def test_an_amount_survives_being_written_and_read(amount: int) -> None:
    """Reading what was written gives the amount."""
    assert parse_credits(format_credits(amount)) == amount


@settings(deadline=None)
@given(AMOUNTS)
def test_the_text_of_an_amount_means_exactly_the_amount(amount: int) -> None:
    """An independent reading, by fractions, agrees; and there is only one way to write an amount."""
    text = format_credits(amount)
    assert Fraction(text) * 1_000_000 == amount
    assert not ("." in text and text.endswith("0"))


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_decimal_is_read_exactly_or_refused(value: Decimal) -> None:
    """Nothing is ever rounded."""
    try:
        micros = parse_micros(value)
    except ValueError:
        return
    assert Fraction(micros, 1_000_000) == Fraction(value)


@settings(deadline=None)
@given(st.decimals(min_value=-(10**15), max_value=10**15, places=6))
def test_every_amount_of_six_decimals_is_read(value: Decimal) -> None:
    """Text, exponent and trailing zeros make no difference to what is read."""
    wanted = int(value * 1_000_000)
    assert parse_micros(value) == parse_micros(str(value)) == parse_micros(f"{value:E}") == wanted


@settings(deadline=None)
@given(st.integers(1, 10**24), st.integers(7, 40))
def test_more_than_six_decimals_are_refused_unless_they_are_zeros(digits: int, places: int) -> None:
    """A decimal is read if and only if it is a whole number of microcredits."""
    with localcontext(prec=100):
        value = Decimal(digits).scaleb(-places)
    whole = digits % 10 ** (places - 6) == 0
    try:
        parse_micros(value)
        read = True
    except ValueError:
        read = False
    assert read == whole


@settings(deadline=None)
@given(st.text(max_size=50) | st.from_regex(r"\A[+-]?[0-9]{0,30}\.?[0-9]{0,30}([eE][+-]?[0-9]{1,12})?\Z"))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    """No text, however hostile, raises anything else, or reads as more than is counted."""
    try:
        micros = parse_micros(text)
    except ValueError:
        return
    assert abs(micros) < 10**25

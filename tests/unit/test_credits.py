"""Credits as text and as integers, by tables."""

from decimal import Decimal

import pytest

from schemas.credits import FREE_GRANT_MICROCREDITS, format_credits, parse_credits, parse_micros


@pytest.mark.parametrize(
    ("text", "microcredits"),
    [
        ("0", 0),
        ("-0", 0),
        ("0e999999999", 0),
        ("0e-999999999", 0),
        ("1", 1_000_000),
        ("1.5", 1_500_000),
        ("0.000001", 1),
        ("-0.000001", -1),
        ("1.0000000", 1_000_000),
        ("1e3", 1_000_000_000),
        ("1E-6", 1),
        ("123456789.123456", 123_456_789_123_456),
        ("1e18", 10**24),
        ("-1e18", -(10**24)),
        (7, 7_000_000),
        (Decimal("0.10"), 100_000),
    ],
)
def test_decimal_text_is_read_exactly(text: str | int | Decimal, microcredits: int) -> None:
    """Each row is a text and its microcredits."""
    assert parse_credits(text) == microcredits


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a decimal number"),
        ("abc", "not a decimal number"),
        ("1,5", "not a decimal number"),
        ("0x10", "not a decimal number"),
        ("NaN", "not a finite number"),
        ("sNaN", "not a finite number"),
        ("Infinity", "not a finite number"),
        ("-inf", "not a finite number"),
        ("0.0000001", "outside what is counted"),
        ("1.0000001", "more than 6 decimals"),
        ("1e19", "outside what is counted"),
        ("1e999999999", "outside what is counted"),
        ("-1e999999999", "outside what is counted"),
        ("1e-999999999", "outside what is counted"),
        ("x" * 10_000, "not a decimal number"),
        ("0" * 10_000 + "1.0000001", "more than 6 decimals"),
        ("9" * 10_000, "outside what is counted"),
        ("1." + "0" * 10_000, "outside what is counted"),
        ("0." + "0" * 10_000 + "1", "outside what is counted"),
    ],
)
def test_what_is_no_amount_is_refused_with_what_is_wrong(text: str, complaint: str) -> None:
    """Each row is a text and the complaint; hostile ones are refused before they are written out in full."""
    with pytest.raises(ValueError, match=complaint) as raised:
        parse_micros(text)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("microcredits", "text"),
    [
        (0, "0"),
        (1, "0.000001"),
        (-1, "-0.000001"),
        (1_500_000, "1.5"),
        (-30_000_000, "-30"),
        (10_000_000, "10"),
        (FREE_GRANT_MICROCREDITS, "500"),
        (10**24, "1" + "0" * 18),
    ],
)
def test_microcredits_are_written_without_trailing_zeros(microcredits: int, text: str) -> None:
    """Each row is an amount and its text."""
    assert format_credits(microcredits) == text

"""The laws notice every drift, and say which: each amount of an account that is right is moved by one microcredit."""

import pytest

from stream.rules.ledger.laws import broken_laws
from tests.unit.ledger_story import Story

STORY = (
    "plan basic 100 billed 1 rollover 10; grant T 50 top_up; grant F 20 from 1 Jan; grant X 60 until 20 Nov; "
    "charge 130; 21 Nov: void T 10; 1 Dec: charge 200; grant P 5 priority 99"
)


def test_an_account_that_is_right_breaks_no_law() -> None:
    """Lots that are open, spent, expired, rolled over, voided in part and not begun."""
    book = Story(STORY).ledger.book("acme")
    assert book is not None
    assert {lot.state for lot in book.lots()} == {"open", "expired", "rolled"}
    assert broken_laws(book) == []


@pytest.mark.parametrize(
    "total",
    ["granted", "burned", "expired", "voided", "held", "charged", "refunded", "owed", "billed", "balance", "unstarted"],
)
@pytest.mark.parametrize("by", [1, -1])
def test_a_total_that_drifts_is_named(total: str, by: int) -> None:
    """By a microcredit, up or down."""
    book = Story(STORY).ledger.book("acme")
    assert book is not None
    setattr(book.row, total, getattr(book.row, total) + by)
    assert broken_laws(book)


@pytest.mark.parametrize("amount", ["granted", "rolled_in", "spent", "expired", "voided", "rolled_out", "held"])
def test_a_lots_amount_that_drifts_is_named_with_the_lot(amount: str) -> None:
    """Of every lot that is kept, open or closed."""
    book = Story(STORY).ledger.book("acme")
    assert book is not None
    for lot in list(book.lots()):
        setattr(lot, amount, getattr(lot, amount) + 1)
        assert any(repr(lot.id) in law for law in broken_laws(book))
        setattr(lot, amount, getattr(lot, amount) - 1)


def test_what_is_owed_while_a_usable_lot_holds_something_is_named() -> None:
    """Overage is repaid at once: here both totals moved, so that no equation shows it."""
    book = Story("grant T 5; charge 3").ledger.book("acme")
    assert book is not None
    book.row.owed += 1
    book.row.balance -= 1
    book.row.charged += 1
    (law,) = broken_laws(book)
    assert law.endswith("is owed while usable lots hold 2000000")


def test_a_lot_that_repaid_more_than_it_spent_is_named() -> None:
    """Refunds rely on it."""
    book = Story("grant T 5; charge 3").ledger.book("acme")
    assert book is not None
    book.open[0].repaid = 3_000_001
    (law,) = broken_laws(book)
    assert "repaid 3000001" in law

"""What a quantity of a node costs, in exact fractions, from rate cards as the JSON that was published."""

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from tests.simulation.oracle_numbers import MICROS, instant_us

DEFAULT_LINE = "default"


class Price(NamedTuple):
    """Tiers as (quantity at which it ends, credits of a unit), and the least that an event costs."""

    tiers: tuple[tuple[Fraction | None, Fraction], ...]
    minimum: Fraction
    counts_as_message: bool

    def cost_microcredits(self, quantity_micros: int) -> int:
        """Each part of the quantity at its own tier's price, at least the minimum, rounded half-even once."""
        quantity, start, total = Fraction(quantity_micros, MICROS), Fraction(0), Fraction(0)
        for end, credits_per_unit in self.tiers:
            within = quantity if end is None else min(quantity, end)
            total += max(Fraction(0), within - start) * credits_per_unit
            start = max(start, within)
        return round(max(total, self.minimum) * MICROS)


class Card(NamedTuple):
    """A version of the prices, in force from `effective_at_us` until the next card's."""

    line: str
    version: str
    effective_at_us: int
    prices: dict[str, Price]


def read_cards(values: Iterable[bytes | str]) -> list[Card]:
    """The cards that are not withdrawn, by the time they take effect."""
    documents: list[dict[str, Any]] = [json.loads(value, parse_float=str, parse_int=str) for value in values]
    cards = [
        Card(
            line=document.get("line", DEFAULT_LINE),
            version=document["version"],
            effective_at_us=_effective_at_us(document),
            prices={node: _price(price) for node, price in document["prices"].items()},
        )
        for document in documents
        if not document.get("withdrawn", False)
    ]
    if len({(card.line, card.effective_at_us) for card in cards}) < len(cards):
        raise ValueError(
            "two rate cards of a line take effect at the same time: publishing the second should have been refused"
        )
    return sorted(cards, key=lambda card: card.effective_at_us)


def card_at(cards: list[Card], line: str, occurred_at_us: int) -> Card | None:
    """The last card of the line that had taken effect by then."""
    effective = [card for card in cards if card.line == line and card.effective_at_us <= occurred_at_us]
    return effective[-1] if effective else None


def _effective_at_us(document: dict[str, Any]) -> int:
    effective_at_us = instant_us(document["effective_at"])
    if effective_at_us is None:
        raise ValueError(f"rate card {document['version']} takes effect at {document['effective_at']!r}: not a time")
    return effective_at_us


def _price(price: dict[str, Any]) -> Price:
    tiers = tuple(
        (
            Fraction(tier["up_to"]) if tier.get("up_to") is not None else None,
            Fraction(tier["credits_per_unit"]),
        )
        for tier in price["tiers"]
    )
    return Price(tiers, Fraction(price.get("minimum_credits", "0")), bool(price.get("counts_as_message", False)))

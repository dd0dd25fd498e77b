"""What a quantity of a node costs, in exact fractions, by the rate cards that a worker could know.

A worker takes a card up when it comes to it. Around the moment in which a card was published or withdrawn, both the
prices before and those after are right, and what was booked says which of them were used.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from typing import NamedTuple

from schemas.credits import MICROCREDITS_PER_CREDIT, QUANTITY_MICROS_PER_UNIT
from schemas.dead_letter import Reason
from schemas.identifiers import Node
from schemas.rate_card import DEFAULT_LINE, NodePrice, RateCard
from schemas.rate_card_check import problems
from sinks.reconcile.inputs import Usage, microseconds

SETTLED_MS = 60_000
"""So long after a card was published every worker prices by it: it is the notice that publishing asks for."""
LARGEST_COST_MICROCREDITS = 10**14
_US_PER_MS = 1_000
_ALWAYS_MS = -(2**63)
_MOST_COSTS = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CardRow(NamedTuple):
    """The last row of a card in its topic, and when that was written."""

    card: RateCard
    written_ms: int


class Priced(NamedTuple):
    """What an event costs by one card."""

    rate_card: str
    cost_microcredits: int
    messages: int


Answer = Priced | Reason
"""What an event costs, or why it cannot be priced."""


class _Known(NamedTuple):
    """The cards in force, as known from `from_ms` on, by the time at which they take effect."""

    from_ms: int
    effective_us: list[int]
    cards: list[RateCard]


class Prices:
    """Every card of a line, and who could know it when."""

    def __init__(self, rows: Iterable[CardRow], line: str = DEFAULT_LINE) -> None:
        self._rows = list(rows)
        self._others: dict[str, Prices] = {}
        usable = [row for row in self._rows if row.card.line == line and not problems(row.card)]
        changes = {_published_ms(row) for row in usable} | {row.written_ms for row in usable if row.card.withdrawn}
        self._moments = sorted({_ALWAYS_MS, *changes})
        self._known = [_known(moment, usable) for moment in self._moments]
        self._costs: dict[tuple[str, str, int], Answer] = {}

    def of_line(self, line: str) -> "Prices":
        """The prices of another line."""
        if line not in self._others:
            self._others[line] = Prices(self._rows, line)
        return self._others[line]

    def answers(self, usage: Usage, appended_ms: int) -> list[Answer]:
        """What the event may cost, by what was known when it was appended or any time later, in that order."""
        first = bisect_right(self._moments, appended_ms - SETTLED_MS) - 1
        found: list[Answer] = []
        for known in self._known[first:]:
            answer = self._answer(known, usage)
            if answer not in found:
                found.append(answer)
        return found

    def _answer(self, known: _Known, usage: Usage) -> Answer:
        place = bisect_right(known.effective_us, usage.occurred_at_us) - 1
        if place < 0:
            return Reason.NO_RATE_CARD
        card = known.cards[place]
        asked = (card.version, usage.node, usage.quantity_micros)
        answer = self._costs.get(asked)
        if answer is None:
            if len(self._costs) >= _MOST_COSTS:
                self._costs.clear()
            answer = self._costs[asked] = _priced(card, usage)
        return answer


def cost_microcredits(price: NodePrice, quantity_micros: int) -> int:
    """Each part of the quantity at its own tier's price, at least the minimum, rounded half-even once."""
    quantity = Fraction(quantity_micros, QUANTITY_MICROS_PER_UNIT)
    start, total = Fraction(0), Fraction(0)
    for tier in price.tiers:
        end = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))
        if end > start:
            total += (end - start) * Fraction(tier.credits_per_unit)
            start = end
    return round(max(total, Fraction(price.minimum_credits)) * MICROCREDITS_PER_CREDIT)


def _known(moment_ms: int, rows: list[CardRow]) -> _Known:
    cards = [
        row.card
        for row in rows
        if _published_ms(row) <= moment_ms and not (row.card.withdrawn and row.written_ms <= moment_ms)
    ]
    # Of two cards effective from one time, the one published first is in use.
    cards.sort(key=lambda card: (card.effective_at, card.published_at or _EPOCH, card.version))
    in_use: dict[int, RateCard] = {}
    for card in cards:
        in_use.setdefault(microseconds(card.effective_at), card)
    return _Known(moment_ms, list(in_use), list(in_use.values()))


def _priced(card: RateCard, usage: Usage) -> Answer:
    price = card.prices.get(Node(usage.node))
    if price is None:
        return Reason.UNKNOWN_NODE
    cost = cost_microcredits(price, usage.quantity_micros)
    if cost > LARGEST_COST_MICROCREDITS:
        return Reason.COST_TOO_LARGE
    return Priced(card.version, cost, int(price.counts_as_message))


def _published_ms(row: CardRow) -> int:
    published = row.card.published_at
    if published is not None:
        return microseconds(published) // _US_PER_MS
    # A card written by hand does not say when: its last row does, unless that withdrew it.
    return _ALWAYS_MS if row.card.withdrawn else row.written_ms

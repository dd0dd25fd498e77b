"""Prices recorded usage by another card, as the worker would, and sums it beside what it cost."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from schemas.identifiers import Node
from stream.rules.pricing import CompiledCard, CostTooLargeError
from stream.simulate.chosen import Recorded

MOST_ROWS = 1_000_000
OTHERS = "(others)"
"""Where keys beyond so many are summed."""

Why = Literal["unknown_node", "cost_too_large"]


class Row(Struct):
    """What one key's charges cost, and would have cost; amounts in microcredits."""

    charges: int = 0
    recorded: int = 0
    simulated: int = 0

    @property
    def difference(self) -> int:
        """How much more it would have been."""
        return self.simulated - self.recorded

    def add(self, other: "Row") -> None:
        """Sum another row into this one."""
        self.charges += other.charges
        self.recorded += other.recorded
        self.simulated += other.simulated


class LeftOut(Struct):
    """Charges that the card does not price: their events would be dead letters."""

    charges: int = 0
    recorded: int = 0


class Simulation:
    """The rows by their keys; what the card does not price is in `left_out` by node and reason, and in no row."""

    def __init__(self, card: CompiledCard, most_rows: int = MOST_ROWS) -> None:
        self.card = card
        self.rows: dict[str, Row] = {}
        self.left_out: dict[tuple[str, Why], LeftOut] = {}
        self._most_rows = most_rows

    def take(self, usage: Iterable[Recorded]) -> None:
        """Price all of it."""
        prices = self.card.prices
        for recorded in usage:
            price = prices.get(Node(recorded.node))
            if price is None:
                self._leave_out(recorded, "unknown_node")
                continue
            try:
                cost = price.cost_microcredits(recorded.quantity_micros)
            except CostTooLargeError:
                self._leave_out(recorded, "cost_too_large")
                continue
            row = self._row(recorded.key)
            row.charges += recorded.charges
            row.recorded += recorded.cost_microcredits
            row.simulated += cost * recorded.charges

    def total(self) -> Row:
        """All rows together."""
        total = Row()
        for row in self.rows.values():
            total.add(row)
        return total

    def _row(self, key: str) -> Row:
        row = self.rows.get(key)
        if row is None:
            key = key if len(self.rows) < self._most_rows else OTHERS
            row = self.rows.setdefault(key, Row())
        return row

    def _leave_out(self, recorded: Recorded, why: Why) -> None:
        found = self.left_out.setdefault((recorded.node, why), LeftOut())
        found.charges += recorded.charges
        found.recorded += recorded.cost_microcredits

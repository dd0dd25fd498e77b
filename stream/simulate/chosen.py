"""Which charges a simulation is of, by whom they are summed, and what is read of them."""

from typing import Literal, NamedTuple

By = Literal["account", "node", "agent", "channel"]


class UnreadableChargesError(Exception):
    """ClickHouse does not answer, or not to us; the text says where it was asked, and what it said."""


class Chosen(NamedTuple):
    """Charges of events that occurred from `from_ms` until before `until_ms`; an empty condition leaves it out.

    `priced_by` names the rate cards that they were priced by: those of one line, where there are several.
    """

    from_ms: int
    until_ms: int
    by: By = "account"
    account: str = ""
    priced_by: frozenset[str] = frozenset()


class Recorded(NamedTuple):
    """So many charges of one key for the same quantity of a node, and what they cost together."""

    key: str
    node: str
    quantity_micros: int
    charges: int
    cost_microcredits: int

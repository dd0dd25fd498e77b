"""Usage of one account, hour, channel, agent and node. Rollups leave a partition packed, like charges.

A row is absolute for its `segment`, the checkpoint at which the row entered the worker's memory. A later segment of
the same key starts from zero, so that usage of a key is the sum over its segments.
"""

from msgspec import Struct

from schemas.credits import QUANTITY_MICROS_PER_UNIT
from schemas.identifiers import Account, Agent, Node


class Rollup(Struct, array_like=True, gc=False):
    """Totals of the events that occurred in `hour`, counted in hours since 1970, UTC.

    `version` is the checkpoint that last wrote the row, and `segment` the one that first did. The quantity is in whole
    units and millionths of one, since together they would not fit into 64 bits.
    """

    account: Account
    hour: int
    channel: str
    agent: Agent
    node: Node
    segment: int
    events: int = 0
    messages: int = 0
    quantity_units: int = 0
    quantity_millionths: int = 0
    cost_microcredits: int = 0
    version: int = 0

    @property
    def quantity_micros(self) -> int:
        """The whole quantity in 10⁻⁶ units."""
        return self.quantity_units * QUANTITY_MICROS_PER_UNIT + self.quantity_millionths


class RollupBatch(Struct, frozen=True, array_like=True, gc=False):
    """Rows of one partition that a checkpoint changed; `version` is that checkpoint, as in a charge batch."""

    partition: int
    version: int
    rows: list[Rollup]

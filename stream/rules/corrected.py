"""Rows of the table `corrections`: what was charged and corrected, for as long as it may be corrected again."""

import msgspec
from msgspec import Struct

from schemas.charge import Charge
from schemas.identifiers import Agent, Node
from stream.rules.ledger.corrections import ChargeNow
from stream.rules.rollup import RollupKey
from stream.rules.usage import US_PER_HOUR


class Corrected(Struct, array_like=True, gc=False):
    """An event that was voided or priced anew: what it costs now, what it used, and where usage.events has it.

    `at_ms` is when it was corrected last, by the ledger's clock. An identity may be booked again once it is forgotten,
    so that the offset is a part of the key.
    """

    charge: ChargeNow
    offset: int
    agent: Agent
    channel: str
    node: Node
    quantity_micros: int
    occurred_at_us: int
    at_ms: int = 0
    version: int = 0

    @property
    def key(self) -> bytes:
        """The row's key in its changelog."""
        return corrected_key(self.charge.account, self.charge.source, self.charge.id, self.offset)

    @property
    def rollup(self) -> RollupKey:
        """The rollup in which the event was counted."""
        return self.charge.account, self.occurred_at_us // US_PER_HOUR, self.channel, self.agent, self.node


def not_corrected(charge: Charge, costs: ChargeNow) -> Corrected:
    """An event as it was booked."""
    return Corrected(
        costs, charge.offset, charge.agent, charge.channel, charge.node, charge.quantity_micros, charge.occurred_at_us
    )


def corrected_key(account: str, source: str, id_: str, offset: int) -> bytes:
    """The key of an event's row, whatever characters the names have."""
    return msgspec.json.encode((account, source, id_, offset))


decode_corrected = msgspec.msgpack.Decoder(Corrected).decode

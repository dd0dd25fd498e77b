"""A charge is a priced event. Charges leave a partition packed, one record per checkpoint or 512 KiB."""

from msgspec import Struct

from schemas.identifiers import Account, Agent, Conversation, EventId, Node, RateCardVersion


class Charge(Struct, frozen=True, array_like=True, gc=False):
    """What one usage event cost. Times are UTC: occurred in microseconds, ingested in milliseconds since 1970."""

    account: Account
    source: str
    id: EventId
    agent: Agent
    conversation: Conversation
    channel: str
    node: Node
    quantity_micros: int
    cost_microcredits: int
    messages: int
    rate_card: RateCardVersion
    occurred_at_us: int
    ingested_at_ms: int
    offset: int


ChargeRow = tuple[Account, str, EventId, Agent, Conversation, str, Node, int, int, int, RateCardVersion, int, int, int]
"""A Charge as the worker carries it: written alike, made and read in less time."""


class ChargeBatch(Struct, frozen=True, array_like=True, gc=False):
    """Charges of one partition in booking order; the first one's place among its checkpoint's bookings is `sequence`.

    `version` is the checkpoint that booked them: the state's incarnation in its high 32 bits, the checkpoint's
    number in the low ones. `partition` is that of usage.events.
    """

    partition: int
    version: int
    sequence: int
    booked_at_ms: int
    charges: list[Charge]

"""Charges as the worker carries them, made from what a test wants to say."""

from schemas.charge import ChargeRow
from schemas.identifiers import Account, Agent, Conversation, EventId, Node, RateCardVersion
from stream.rules.identity import contents, identities
from stream.rules.rollup import RollupKey
from stream.rules.usage import US_PER_HOUR

ANSWER: RollupKey = (Account("acme"), 490_000, "api", Agent("ada"), Node("answer"))


def charge_row(
    key: RollupKey = ANSWER,
    messages: int = 0,
    quantity_micros: int = 1,
    cost_microcredits: int = 1,
    *,
    source: str = "runtime",
    event_id: str = "1",
    conversation: str = "talk",
    place: int = 0,
    past_hour_us: int = 0,
) -> ChargeRow:
    """A charge that is rolled up into a key."""
    account, hour, channel, agent, node = key
    occurred_at_us = hour * US_PER_HOUR + past_hour_us
    return (
        account,
        source,
        EventId(event_id),
        agent,
        Conversation(conversation),
        channel,
        node,
        quantity_micros,
        cost_microcredits,
        messages,
        RateCardVersion("v1"),
        occurred_at_us,
        occurred_at_us // 1_000,
        place,
    )


def identity(account: str, source: str, event_id: str) -> bytes:
    """What one event is remembered by."""
    key = (Account(account), 490_000, "api", Agent("ada"), Node("answer"))
    return identities([charge_row(key, source=source, event_id=event_id)])


def content(occurred_us: int, agent: str, conversation: str, channel: str, node: str, quantity_micros: int) -> bytes:
    """What the rest of one event is remembered by."""
    key = (Account("acme"), 0, channel, Agent(agent), Node(node))
    row = charge_row(key, quantity_micros=quantity_micros, conversation=conversation, past_hour_us=occurred_us)
    return contents([row])

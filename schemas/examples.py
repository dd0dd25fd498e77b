"""Examples of every message, as it goes over the wire, for the published documents."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw, Struct

from schemas.charge import Charge, ChargeBatch
from schemas.command_examples import COMMANDS
from schemas.dead_letter import DeadLetter, Reason
from schemas.identifiers import Account, Agent, Conversation, EventId, Node, RateCardVersion
from schemas.ledger_examples import ACCOUNT, BALANCE, ENTRIES, LINES, LOT, NOTICES
from schemas.rate_card import NodePrice, RateCard, Tier
from schemas.rollup import Rollup, RollupBatch
from schemas.usage import Channel, Usage, UsageEvent

_OCCURRED_AT = datetime(2025, 11, 22, 12, 30, tzinfo=UTC)
_INGESTED_AT = _OCCURRED_AT + timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_INGESTED_AT_MS = (_INGESTED_AT - _EPOCH) // _MILLISECOND
_ACCOUNT, _AGENT, _CONVERSATION, _NODE = Account("acme"), Agent("ada"), Conversation("c-1"), Node("answer")
_SOURCE = "/runtimes/eu-1"
_VERSION = 1 << 32 | 42

_USAGE = UsageEvent(
    id=EventId("run-7/answer"),
    source=_SOURCE,
    subject=_ACCOUNT,
    time=_OCCURRED_AT,
    data=Usage(agent=_AGENT, conversation=_CONVERSATION, channel=Channel.WIDGET, node=_NODE, quantity=Decimal("1.5")),
)
_RATE_CARD = RateCard(
    version=RateCardVersion("2025-11"),
    effective_at=datetime(2025, 11, 1, tzinfo=UTC),
    published_at=datetime(2025, 10, 20, 9, tzinfo=UTC),
    prices={
        _NODE: NodePrice(unit="message", tiers=(Tier(credits_per_unit=Decimal(2)),), counts_as_message=True),
        Node("search"): NodePrice(
            unit="call",
            tiers=(
                Tier(credits_per_unit=Decimal(1), up_to=Decimal(10)),
                Tier(credits_per_unit=Decimal("0.5")),
            ),
            minimum_credits=Decimal("0.1"),
        ),
    },
)
_CHARGES = ChargeBatch(
    partition=3,
    version=_VERSION,
    sequence=0,
    booked_at_ms=_INGESTED_AT_MS,
    charges=[
        Charge(
            account=_ACCOUNT,
            source=_SOURCE,
            id=EventId("run-7/answer"),
            agent=_AGENT,
            conversation=_CONVERSATION,
            channel="widget",
            node=_NODE,
            quantity_micros=1_500_000,
            cost_microcredits=3_000_000,
            messages=1,
            rate_card=RateCardVersion("2025-11"),
            occurred_at_us=(_OCCURRED_AT - _EPOCH) // timedelta(microseconds=1),
            ingested_at_ms=_INGESTED_AT_MS,
            offset=17,
        )
    ],
)
_ROLLUPS = RollupBatch(
    partition=3,
    version=_VERSION,
    rows=[
        Rollup(
            account=_ACCOUNT,
            hour=(_OCCURRED_AT - _EPOCH) // timedelta(hours=1),
            channel="widget",
            agent=_AGENT,
            node=_NODE,
            segment=42,
            events=1,
            messages=1,
            quantity_units=1,
            quantity_millionths=500_000,
            cost_microcredits=3_000_000,
            version=_VERSION,
        )
    ],
)
_DEAD_LETTER = DeadLetter(
    reason=Reason.NOT_JSON,
    detail="the value ends in the middle of an object",
    fix="send one JSON object, as the schema usage-event says",
    topic="usage.events",
    partition=3,
    offset=18,
    ingested_at_ms=_INGESTED_AT_MS,
    booked_at_ms=_INGESTED_AT_MS,
    account=_ACCOUNT,
    key=b"acme",
    value=b"{",
    value_bytes=1,
    value_sha256="021fb596db81e6d02bf3d2586ee3981fe519f275c0ac9ca76bbcf2ebb4097d96",
    version=_VERSION,
)

_VALUES: dict[str, Sequence[Struct | Raw]] = {
    "usage-event": [_USAGE],
    "command": [*COMMANDS],
    "rate-card": [_RATE_CARD],
    "charge-batch": [_CHARGES],
    "rollup-batch": [_ROLLUPS],
    "balance": [BALANCE],
    "account": [ACCOUNT],
    "lot": [LOT],
    "ledger-batch": [ENTRIES],
    "ledger-entry": [*LINES],
    "notice": [*NOTICES],
    "dead-letter": [_DEAD_LETTER],
}


def examples(message: str) -> list[Any]:
    """The examples of a message, by the name of its schema's file, in JSON's types."""
    return [msgspec.json.decode(msgspec.json.encode(value)) for value in _VALUES[message]]

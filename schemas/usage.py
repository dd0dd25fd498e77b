"""A usage event: one node that an agent ran, as CloudEvents 1.0 in structured JSON, keyed by its account.

Unknown fields are ignored and missing newer fields take their defaults, so that producers and workers can be
upgraded in any order.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.identifiers import Account, Agent, Conversation, EventId, Node

USAGE_EVENT_TYPE = "creditstream.usage"
LONGEST_NAME = 256
LARGEST_QUANTITY = 10**12
LARGEST_EVENT_BYTES = 1 << 20


class Channel(StrEnum):
    """Where the conversation took place."""

    API = "api"
    WIDGET = "widget"
    CHAT_PORTAL = "chat_portal"
    WHATSAPP = "whatsapp"
    TEST_CHAT = "test_chat"
    REPORTS = "reports"


class Usage(Struct, frozen=True, gc=False):
    """What was used: `quantity` units of `node`, an integer or decimal text of at most six decimals."""

    agent: Annotated[Agent, Meta(min_length=1, max_length=LONGEST_NAME)]
    conversation: Annotated[Conversation, Meta(min_length=1, max_length=LONGEST_NAME)]
    channel: Channel
    node: Annotated[Node, Meta(min_length=1, max_length=LONGEST_NAME)]
    quantity: int | Decimal = 1


class UsageEvent(Struct, frozen=True, gc=False, omit_defaults=False):
    """A CloudEvents 1.0 envelope; `subject` is the account, `time` is when the node ran (RFC 3339, with a zone)."""

    id: Annotated[EventId, Meta(min_length=1, max_length=LONGEST_NAME)]
    source: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    subject: Annotated[Account, Meta(min_length=1, max_length=LONGEST_NAME)]
    time: Annotated[datetime, Meta(tz=True)]
    data: Usage
    specversion: Literal["1.0"] = "1.0"
    type: Literal["creditstream.usage"] = "creditstream.usage"
    datacontenttype: Literal["application/json"] = "application/json"

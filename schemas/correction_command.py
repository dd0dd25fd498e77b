"""Commands that put right what was booked: grants and events taken back, adjustments, other prices."""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.identifiers import EventId, GrantId, RateCardVersion
from schemas.usage import LONGEST_NAME

_NAME = Meta(min_length=1, max_length=LONGEST_NAME)
_LARGEST_PARTITION = 2**31 - 1
_LARGEST_OFFSET = 2**63 - 1


class BookedEvent(Struct, frozen=True, gc=False):
    """An event of the account by its identity, and where usage.events has it."""

    source: Annotated[str, _NAME]
    id: Annotated[EventId, _NAME]
    partition: Annotated[int, Meta(ge=0, le=_LARGEST_PARTITION)]
    offset: Annotated[int, Meta(ge=0, le=_LARGEST_OFFSET)]


class VoidGrant(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="void_grant"):
    """A grant is taken back, with what rolled over of it.

    What was spent of it is kept, or owed (`spent`; unless said, owed for top-ups and refills). With `credits` that much
    of what is unspent is taken back.
    """

    grant: Annotated[GrantId, _NAME]
    spent: Literal["keep", "owe"] | None = None
    credits: Decimal | None = None
    reason: Annotated[str, Meta(max_length=LONGEST_NAME)] = ""


class VoidEvent(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="void_event"):
    """An event is refunded, once: all that it costs now, or `credits` of it."""

    event: BookedEvent
    credits: Decimal | None = None
    reason: Annotated[str, Meta(max_length=LONGEST_NAME)] = ""


class Adjust(Struct, frozen=True, gc=False, tag_field="kind", tag="adjust"):
    """A person adds credits, or takes usable ones away when `credits` is negative; `adjustment` is unique."""

    adjustment: Annotated[GrantId, _NAME]
    credits: Decimal
    reason: Annotated[str, _NAME]
    actor: Annotated[str, _NAME]


class Reprice(Struct, frozen=True, gc=False, tag_field="kind", tag="reprice"):
    """An event costs what this card says: the difference is charged or refunded, once for each card."""

    event: BookedEvent
    rate_card: Annotated[RateCardVersion, _NAME]

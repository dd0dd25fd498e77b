"""A rate card: what a unit of each node costs from `effective_at` on, in one line of prices.

The topic is compacted and keyed by `line/version`; a card is withdrawn by a row with `withdrawn`, never a tombstone.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from schemas.identifiers import Node, RateCardVersion
from schemas.usage import LONGEST_NAME

DEFAULT_LINE = "default"

Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]


class Tier(Struct, frozen=True, forbid_unknown_fields=True):
    """The price of a unit within one graduated tier of an event's own quantity; the last tier has no end."""

    credits_per_unit: Decimal
    up_to: Decimal | None = None


class NodePrice(Struct, frozen=True, forbid_unknown_fields=True):
    """The price of one node: tiers, first to last, and the least that an event costs, in credits."""

    unit: Name
    tiers: Annotated[tuple[Tier, ...], Meta(min_length=1, max_length=16)]
    minimum_credits: Decimal = Decimal(0)
    counts_as_message: bool = False


class RateCard(Struct, frozen=True, forbid_unknown_fields=False):
    """A version of a line of prices; `published_at` is set when it is published."""

    version: Annotated[RateCardVersion, Meta(min_length=1, max_length=LONGEST_NAME)]
    effective_at: Annotated[datetime, Meta(tz=True)]
    prices: Annotated[dict[Node, NodePrice], Meta(min_length=1, max_length=10_000)]
    line: Name = DEFAULT_LINE
    published_at: Annotated[datetime, Meta(tz=True)] | None = None
    reprice: bool = False
    withdrawn: bool = False

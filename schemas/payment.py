"""Money that was received for credits."""

from typing import Annotated

from msgspec import Meta, Struct

from schemas.usage import LONGEST_NAME

LARGEST_AMOUNT_MINOR = 10**15
"""Of money: every reader of JSON has integers so large, exactly."""


class Payment(Struct, frozen=True, gc=False):
    """Money received: `amount_minor` in the currency's minor unit, at most 10¹⁵; `reference` is unique."""

    reference: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    amount_minor: Annotated[int, Meta(ge=0, le=LARGEST_AMOUNT_MINOR)]
    # The pattern alone would let a line break follow.
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)]

"""An account's balance, as its changelog row: absolute, so that writing it twice changes nothing."""

from msgspec import Struct

from schemas.identifiers import Account


class Balance(Struct, array_like=True, gc=False):
    """Running totals of one account, in microcredits; times in milliseconds since 1970, UTC.

    New fields are added at the end, with defaults: rows written before them still read. `version` is the checkpoint
    that wrote the row: the state's incarnation in its high 32 bits, the checkpoint's number in the low ones.
    """

    account: Account
    granted_microcredits: int = 0
    charged_microcredits: int = 0
    events: int = 0
    messages: int = 0
    grants: int = 0
    opened_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 0

    @property
    def remaining_microcredits(self) -> int:
        """What is left; below zero is overage."""
        return self.granted_microcredits - self.charged_microcredits

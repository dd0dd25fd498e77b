"""A command changes an account by decision, not by usage: CloudEvents 1.0 in structured JSON, keyed by its account.

Identity is (source, id), compared on type, subject and data: the same again is dropped, other data is rejected.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.correction_command import Adjust, Reprice, VoidEvent, VoidGrant
from schemas.identifiers import Account, GrantId
from schemas.payment import Payment
from schemas.plan_command import ActivatePlan, CancelPlan, ChangePlan, Renew
from schemas.policy_command import RefillDeclined, RefillPaid, SetPolicy
from schemas.usage import LONGEST_NAME

LARGEST_GRANT_CREDITS = 10**9
HIGHEST_PRIORITY = 100

Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
GrantName = Annotated[GrantId, Meta(min_length=1, max_length=LONGEST_NAME)]
Priority = Annotated[int, Meta(ge=0, le=HIGHEST_PRIORITY)]
Moment = Annotated[datetime, Meta(tz=True)]


class Grant(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="grant"):
    """Credits given: `credits` as decimal text, 0.000001 to 10⁹; `grant` is unique whatever the command's id.

    Lower `priority` burns first; unless said it is 20, and 50 for a top-up. They are usable from `effective_at`
    (unless said, at once) until `expires_at` (unless said, for good), to the millisecond.
    """

    grant: GrantName
    credits: Decimal
    reason: Annotated[str, Meta(max_length=LONGEST_NAME)] = ""
    priority: Priority | None = None
    effective_at: Moment | None = None
    expires_at: Moment | None = None


class TopUp(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="top_up"):
    """Credits bought: like a grant, with the payment that bought them."""

    grant: GrantName
    credits: Decimal
    payment: Payment
    priority: Priority | None = None
    effective_at: Moment | None = None
    expires_at: Moment | None = None


CommandData = (
    Grant
    | TopUp
    | VoidGrant
    | VoidEvent
    | Adjust
    | Reprice
    | ActivatePlan
    | ChangePlan
    | CancelPlan
    | Renew
    | SetPolicy
    | RefillPaid
    | RefillDeclined
)


class Command(Struct, frozen=True, gc=False):
    """A CloudEvents 1.0 envelope; `subject` is the account, `time` is required (RFC 3339, with a zone)."""

    id: Name
    source: Name
    subject: Annotated[Account, Meta(min_length=1, max_length=LONGEST_NAME)]
    time: Moment
    data: CommandData
    specversion: Literal["1.0"] = "1.0"
    type: Literal["creditstream.command"] = "creditstream.command"
    datacontenttype: Literal["application/json"] = "application/json"

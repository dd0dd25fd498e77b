"""A dead letter: input that was not booked, with its bytes, its place, the reason and what to do. JSON."""

from enum import StrEnum

from msgspec import Struct

LARGEST_DEAD_LETTER_BYTES = 512 << 10
"""How many of the received bytes a dead letter carries; longer input is told by its length and hash."""


class Reason(StrEnum):
    """Why input was not booked."""

    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    WRONG_SPECVERSION = "wrong_specversion"
    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    INVALID_QUANTITY = "invalid_quantity"
    INVALID_TIME = "invalid_time"
    UNKNOWN_CHANNEL = "unknown_channel"
    UNKNOWN_NODE = "unknown_node"
    KEY_MISMATCH = "key_mismatch"
    WRONG_PARTITION = "wrong_partition"
    TOO_FAR_AHEAD = "too_far_ahead"
    OLDER_THAN_DEDUP_WINDOW = "older_than_dedup_window"
    NO_RATE_CARD = "no_rate_card"
    COST_TOO_LARGE = "cost_too_large"
    EVENT_ID_REUSED = "event_id_reused"
    COMMAND_ID_REUSED = "command_id_reused"
    COMMAND_TOO_OLD = "command_too_old"
    GRANT_ID_REUSED = "grant_id_reused"
    PAYMENT_REUSED = "payment_reused"
    INVALID_AMOUNT = "invalid_amount"
    PLAN_ACTIVE = "plan_active"
    NO_PLAN = "no_plan"
    ONLY_AT_PERIOD_END = "only_at_period_end"
    UNKNOWN_PERIOD = "unknown_period"
    PERIOD_RENEWED = "period_renewed"
    INVALID_TERMS = "invalid_terms"
    UNKNOWN_GRANT = "unknown_grant"
    GRANT_VOIDED = "grant_voided"
    TOO_MANY_LOTS = "too_many_lots"
    EXCEEDS_AVAILABLE = "exceeds_available"
    CHARGE_NOT_FOUND = "charge_not_found"
    TOO_OLD_TO_VOID = "too_old_to_void"
    UNKNOWN_REFILL = "unknown_refill"
    REFILL_ANSWERED = "refill_answered"
    REFUSED_BY_CLICKHOUSE = "refused_by_clickhouse"
    UNDECODABLE = "undecodable"


class DeadLetter(Struct, frozen=True, gc=False):
    """`detail` says what is wrong with this input, `fix` what to do; `key` and `value` are base64 in JSON.

    `value` holds at most 512 KiB of what was received; `value_bytes` and `value_sha256` are of all of it. Times are
    in milliseconds since 1970, UTC. `account` is empty when it could not be read.
    """

    reason: Reason
    detail: str
    fix: str
    topic: str
    partition: int
    offset: int
    ingested_at_ms: int
    booked_at_ms: int
    account: str
    key: bytes | None
    value: bytes
    value_bytes: int
    value_sha256: str
    version: int = 0

"""What a rule answers when input is not booked: dropped because it was, or rejected for a reason."""

from msgspec import Struct

from schemas.dead_letter import Reason


class Reject(Struct, frozen=True):
    """Input that is not booked; `detail` says what is wrong with it, `account` whose it is if that could be read."""

    reason: Reason
    detail: str
    account: str = ""


FIXES: dict[Reason, str] = {
    Reason.NOT_UTF8: "Send CloudEvents JSON in UTF-8.",
    Reason.NOT_JSON: "Send one CloudEvents 1.0 object in structured JSON.",
    Reason.TOO_LARGE: "Send events below 1 MiB; keep prompts and answers out of them.",
    Reason.WRONG_SPECVERSION: 'Set specversion to "1.0".',
    Reason.WRONG_TYPE: "Set type to creditstream.usage on usage events, creditstream.command on commands.",
    Reason.MISSING_FIELD: "Send the field, not empty.",
    Reason.INVALID_FIELD: "Send the field as the published schema has it.",
    Reason.INVALID_QUANTITY: "Send a number above 0, at most 10^12, with at most 6 decimals.",
    Reason.INVALID_TIME: "Send time as RFC 3339 with a zone, such as 2026-11-22T20:15:00Z.",
    Reason.UNKNOWN_CHANNEL: "Use one of the published channels.",
    Reason.UNKNOWN_NODE: "Publish a rate card with a price for the node, then replay.",
    Reason.KEY_MISMATCH: "Use the account, as in subject, for the Kafka key.",
    Reason.WRONG_PARTITION: "Set the producer's partitioner to murmur2_random, as Java clients have it.",
    Reason.TOO_FAR_AHEAD: "Set the producer's clock right: time is more than 5 minutes ahead.",
    Reason.OLDER_THAN_DEDUP_WINDOW: "Send events sooner, or widen the dedup window: a copy could not be recognised.",
    Reason.NO_RATE_CARD: "Publish a rate card that is effective at the event's time, then replay.",
    Reason.COST_TOO_LARGE: "Check quantity and price: one event may cost 10^8 credits, an account 4 * 10^12.",
    Reason.EVENT_ID_REUSED: "Give every event its own id; the first one with this id is booked.",
    Reason.COMMAND_ID_REUSED: "Give every command its own id; the first one with this id is carried out.",
    Reason.COMMAND_TOO_OLD: "Send the command again with a new time, if it is still meant.",
    Reason.GRANT_ID_REUSED: "Give every grant its own name; the first one with this name is booked.",
    Reason.PAYMENT_REUSED: "A payment buys credits once; the first top-up with this reference is booked.",
    Reason.INVALID_AMOUNT: "Send decimal text above 0, at most 10^9, with 6 decimals at most; detail names the field.",
    Reason.PLAN_ACTIVE: "Change the plan, or cancel it before another one is activated.",
    Reason.NO_PLAN: "Activate a plan first.",
    Reason.ONLY_AT_PERIOD_END: "Send the change again for the period's end.",
    Reason.UNKNOWN_PERIOD: "Name the start of the current or the next period, at 00:00 UTC.",
    Reason.PERIOD_RENEWED: "A period is renewed once; nothing is left to do.",
    Reason.INVALID_TERMS: "Send terms as the published schema has them; the detail says which is wrong.",
    Reason.UNKNOWN_GRANT: "Name a grant whose lot is open, or was closed at most 90 days ago.",
    Reason.GRANT_VOIDED: "A grant is voided once; nothing is left to do.",
    Reason.TOO_MANY_LOTS: "Wait until a lot is spent or expires, or grant fewer, larger lots.",
    Reason.EXCEEDS_AVAILABLE: "Take at most what is unspent; void a grant with spent: owe to take what was spent.",
    Reason.CHARGE_NOT_FOUND: "Name the event, and the partition and offset that explain prints for it.",
    Reason.TOO_OLD_TO_VOID: "Send an adjustment: charges are corrected for 90 days.",
    Reason.UNKNOWN_REFILL: "Check who paid and why: this account has no such refill request among its last 8.",
    Reason.REFILL_ANSWERED: "A refill request is answered once; nothing is left to do.",
    Reason.REFUSED_BY_CLICKHOUSE: "Compare the row with the table's columns, then replay.",
}
"""What to do about each reason."""

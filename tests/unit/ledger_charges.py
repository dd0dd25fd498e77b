"""Charges one event to a ledger, as the pipeline charges many."""

from schemas.charge import ChargeRow
from schemas.identifiers import Account, Agent, Conversation, EventId, Node, RateCardVersion
from stream.rules.ledger.ledger import Ledger
from stream.rules.outcome import Reject


def charged(
    ledger: Ledger,
    account: str,
    cost: int,
    messages: int,
    source: str,
    event_id: str,
    offset: int,
    rate_card: str,
    occurred_at_us: int,
    now_ms: int,
) -> Reject | None:
    """Book what one event cost; why it was refused, if it was."""
    row: ChargeRow = (
        Account(account),
        source,
        EventId(event_id),
        Agent("ada"),
        Conversation("c1"),
        "api",
        Node("answer"),
        1_000_000,
        cost,
        messages,
        RateCardVersion(rate_card),
        occurred_at_us,
        now_ms,
        offset,
    )
    return ledger.charge([row], [None]).get(offset)

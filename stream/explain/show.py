"""Shows explained entries: for people in a few lines each, for programs as a JSON object a line."""

import json
from datetime import UTC, datetime, timedelta

from schemas.charge import Charge
from schemas.credits import format_credits
from schemas.ledger import Entry, entry_hash
from stream.explain.explanation import Explained

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_text(explained: Explained) -> str:
    """What happened, why, and what was used."""
    entry = explained.entry
    effects = [
        f"{name} {_signed(amount)}"
        for name, amount in (
            (f"lot {plain(entry.lot)}", entry.lot_microcredits),
            ("owed", entry.owed_microcredits),
            ("billed", entry.billed_microcredits),
        )
        if amount
    ] or ([f"lot {plain(entry.lot)}"] if entry.lot else [])
    late, detail = " late" if entry.late else "", f" ({plain(entry.detail)})" if entry.detail else ""
    moved = "".join(f", {effect}" for effect in effects)
    balance = format_credits(entry.balance_microcredits)
    at = _milliseconds(entry.ingested_at_ms)
    lines = [
        f"#{entry.sequence}  {at}  {entry.kind}{late}{moved}, balance {balance}{detail}",
        f"    {_cause(explained)}",
    ]
    if explained.charge is not None:
        lines.append(f"    {_used(explained.charge)}")
    return "\n".join(lines)


def as_json(explained: Explained) -> str:
    """One object: credits and quantities are text, as JSON's readers make numbers into floats."""
    entry, charge = explained.entry, explained.charge
    told: dict[str, object] = {
        "sequence": entry.sequence,
        "kind": entry.kind,
        "lot": entry.lot,
        "lot_credits": format_credits(entry.lot_microcredits),
        "owed_credits": format_credits(entry.owed_microcredits),
        "billed_credits": format_credits(entry.billed_microcredits),
        "balance_credits": format_credits(entry.balance_microcredits),
        "late": entry.late,
        "detail": entry.detail,
        "cause": entry.cause,
        "source": entry.source,
        "id": entry.id,
        "topic": explained.topic,
        "partition": explained.partition if explained.topic else None,
        "offset": entry.offset if explained.topic else None,
        "rate_card": entry.rate_card,
        "occurred_at": _microseconds(entry.occurred_at_us),
        "ingested_at": _milliseconds(entry.ingested_at_ms),
        "booked_at": _milliseconds(entry.booked_at_ms),
        "previous": entry.previous.hex(),
        "hash": entry_hash(entry).hex(),
    }
    if charge is not None:
        told["charge"] = {
            "node": charge.node,
            "quantity": format_credits(charge.quantity_micros),
            "credits": format_credits(charge.cost_microcredits),
            "agent": charge.agent,
            "conversation": charge.conversation,
            "channel": charge.channel,
        }
    return json.dumps(told, ensure_ascii=False)


def plain(text: str) -> str:
    """A name as a terminal may show it: others send names, and some hold what moves a cursor."""
    return text if text.isprintable() else repr(text)


def _cause(explained: Explained) -> str:
    entry = explained.entry
    if not explained.topic:
        return "by the clock"
    card = f", rate card {plain(entry.rate_card)}" if entry.rate_card else ""
    return (
        f"{entry.cause} {plain(entry.source)} {plain(entry.id)}, "
        f"{explained.topic}/{explained.partition}/{entry.offset}{_occurred(entry)}{card}"
    )


def _occurred(entry: Entry) -> str:
    return f", occurred {_microseconds(entry.occurred_at_us)}" if entry.occurred_at_us else ""


def _used(charge: Charge) -> str:
    quantity, cost = format_credits(charge.quantity_micros), format_credits(charge.cost_microcredits)
    where = f"agent {plain(charge.agent)}, conversation {plain(charge.conversation)}, channel {plain(charge.channel)}"
    return f"{quantity} {plain(charge.node)} for {cost}, {where}"


def _signed(amount: int) -> str:
    return f"{'+' if amount > 0 else ''}{format_credits(amount)}"


def _milliseconds(time_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _microseconds(time_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")

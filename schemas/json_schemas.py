"""JSON Schema 2020-12 of every message, from its struct; the places of packed messages are titled."""

from inspect import cleandoc
from typing import Any

import msgspec
from msgspec import Struct

from schemas.account import AccountRow, Alarm, BalanceRow, BillLine, Refill, RefillRequested
from schemas.charge import Charge, ChargeBatch
from schemas.command import Command
from schemas.dead_letter import DeadLetter
from schemas.ledger import EntryBatch, EntryLine
from schemas.lot import Lot
from schemas.notice_events import NoticeEvent
from schemas.plan import Plan, Policy, RefillPolicy, Threshold
from schemas.rate_card import RateCard
from schemas.rollup import Rollup, RollupBatch
from schemas.usage import UsageEvent

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MESSAGES: dict[str, type[Struct]] = {
    "usage-event": UsageEvent,
    "command": Command,
    "rate-card": RateCard,
    "charge-batch": ChargeBatch,
    "rollup-batch": RollupBatch,
    "balance": BalanceRow,
    "account": AccountRow,
    "lot": Lot,
    "ledger-batch": EntryBatch,
    "ledger-entry": EntryLine,
    "notice": NoticeEvent,
    "dead-letter": DeadLetter,
}
"""Every message that is published, by the name of its file: an account is a part of a balance, an entry of a batch."""

_PACKED: tuple[type[Struct], ...] = (
    *(AccountRow, Alarm, BalanceRow, BillLine, Refill, RefillRequested, Plan, Policy, RefillPolicy, Threshold, Lot),
    *(EntryBatch, EntryLine, Charge, ChargeBatch, Rollup, RollupBatch),
)
_ENVELOPES: tuple[type[Struct], ...] = (Command, NoticeEvent, UsageEvent)


def json_schema(message: type[Struct]) -> dict[str, Any]:
    """The schema that a message must meet, as it is written on the wire (msgpack arrays shown as JSON's)."""
    schema = {"$schema": DIALECT, **msgspec.json.schema(message)}
    definitions = schema["$defs"]
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    for struct in _PACKED:
        # Commands have structs of the same names, which are objects.
        if definitions.get(struct.__name__, {}).get("type") == "array":
            _title_places(definitions[struct.__name__], struct)
    for struct in _ENVELOPES:
        if struct.__name__ in definitions:
            # The structs fill these in for producers; on the wire CloudEvents requires them.
            definitions[struct.__name__]["required"] += ["specversion", "type"]
    return schema


def _title_places(definition: dict[str, Any], struct: type[Struct]) -> None:
    names = [field.name for field in msgspec.structs.fields(struct)]
    for place, name in zip(definition["prefixItems"], names, strict=True):
        place["title"] = name

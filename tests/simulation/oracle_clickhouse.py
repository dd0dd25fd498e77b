"""Reads what ClickHouse shows, from the tables themselves, into the oracle's figures."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver import Client

from tests.simulation.oracle_clickhouse_ledger import read_ledger
from tests.simulation.oracle_records import (
    ChargeFacts,
    ConversationKey,
    Figures,
    Identity,
    Place,
    RollupKey,
    RollupTotals,
)

_EPOCH = date(1970, 1, 1)

_ROLLUPS = """
SELECT account, intDiv(toUnixTimestamp(hour), 3600), channel, agent, node,
    sum(events), sum(messages), sum(quantity), sum(credits)
FROM {database:Identifier}.rollups FINAL
GROUP BY account, hour, channel, agent, node"""

_CHARGES = """
SELECT account, source, id, agent, conversation, channel, node, quantity, credits, messages, rate_card,
    toUnixTimestamp64Micro(occurred_at), partition, offset
FROM {database:Identifier}.charges FINAL
ORDER BY partition, offset"""

_CONVERSATIONS = """
SELECT account, day, agent, conversation
FROM {database:Identifier}.conversations FINAL"""

_DEAD_LETTERS = """
SELECT topic, partition, offset, reason
FROM {database:Identifier}.dead_letters FINAL
ORDER BY topic, partition, offset, reason"""


def read_clickhouse(client: Client, database: str, *, charges: bool = True) -> Figures:
    """The figures as an analyst sees them: replaced and deleted rows are gone, segments are summed.

    Without `charges` these are left out, and the entries of the ledger: there may be millions.
    """

    def rows(query: str) -> Iterator[Any]:
        with client.query_rows_stream(query, parameters={"database": database}) as stream:
            yield from stream

    shown = Figures()
    read_ledger(rows, shown, entries=charges)
    for *key, events, messages, quantity, cost in rows(_ROLLUPS):
        shown.rollups[RollupKey(*key)] = RollupTotals(events, messages, _micros(quantity), _micros(cost))
    for account, source, event_id, *charge in rows(_CHARGES) if charges else ():
        facts = ChargeFacts(*charge)
        shown.charges[Identity(account, source, event_id)] = facts._replace(
            quantity_micros=_micros(charge[4]), cost=_micros(charge[5])
        )
    for account, day, agent, conversation in rows(_CONVERSATIONS):
        shown.conversations.add(ConversationKey(account, (day - _EPOCH).days, agent, conversation))
    for topic, partition, offset, reason in rows(_DEAD_LETTERS):
        place = Place(topic, partition, offset)
        before = shown.dead_letters.get(place)
        shown.dead_letters[place] = reason if before is None else f"{before}, {reason}"
    return shown


def _micros(value: Decimal) -> int:
    return int(value.scaleb(6))

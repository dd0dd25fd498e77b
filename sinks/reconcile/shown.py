"""What ClickHouse shows of one partition, read so that no more than a block of rows is held, where order allows it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.refusals import judged

RollupKey = tuple[str, int, str, str, str]
"""Account, hour since 1970, channel, agent, node."""

_SETTINGS = {
    "max_bytes_before_external_sort": 1 << 30,
    "max_bytes_before_external_group_by": 1 << 30,
    "max_block_size": 8192,
}
AMOUNTS = 11
# Rows of topics that were made again have the same offsets, and are older: hence ingested_at.
_CHARGES = """
SELECT offset, account, source, id, agent, conversation, channel, node, quantity, credits, messages, rate_card,
    toUnixTimestamp64Micro(occurred_at)
FROM charges FINAL
WHERE partition = {partition:UInt32} AND offset >= {first:UInt64} AND offset < {end:UInt64}
    AND ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64})
    AND ({account:String} = '' OR account = {account:String})
ORDER BY offset"""

_DEAD_LETTERS = """
SELECT offset, reason
FROM dead_letters FINAL
WHERE topic = {topic:String} AND partition = {partition:UInt32} AND offset >= {first:UInt64} AND offset < {end:UInt64}
    AND ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64})
ORDER BY offset"""

_ROLLUPS = """
SELECT account, intDiv(toUnixTimestamp(hour), 3600), channel, agent, node,
    sum(rollups.events), sum(rollups.messages), sum(rollups.quantity), sum(rollups.credits), max(version)
FROM rollups FINAL
WHERE kafkaMurmurHash(account) % {partitions:UInt32} = {partition:UInt32}
    AND ({account:String} = '' OR account = {account:String})
    AND toUnixTimestamp(hour) >= {first_hour:Int64} * 3600 AND toUnixTimestamp(hour) < {end_hour:Int64} * 3600
GROUP BY account, hour, channel, agent, node"""

_BALANCES = """
SELECT account, granted_credits, burned_credits, expired_credits, voided_credits, held_credits, charged_credits,
    refunded_credits, owed_credits, billed_credits, balance_credits, remaining_credits, events, messages, grants,
    sequence, head, toUnixTimestamp64Milli(opened_at), toUnixTimestamp64Milli(updated_at), version
FROM balances FINAL
WHERE kafkaMurmurHash(account) % {partitions:UInt32} = {partition:UInt32}
    AND ({account:String} = '' OR account = {account:String})"""

# Entries are never changed: those of later checkpoints than the table's are left out.
_ENTRIES = """
SELECT account, count(), max(sequence), argMax(hash, sequence), argMax(balance_credits, sequence),
    sum(lot_credits), sum(owed_credits), sum(billed_credits),
    sumIf(lot_credits, kind = 'granted'),
    -sumIf(lot_credits, kind IN ('burned', 'repaid', 'refunded')) - sumIf(owed_credits, kind = 'void_owed'),
    -sumIf(lot_credits, kind IN ('expired', 'expiry_reversed')),
    sumIf(owed_credits, kind = 'void_owed') - sumIf(lot_credits, kind = 'voided'),
    sumIf(lot_credits - owed_credits - billed_credits, kind = 'refunded'),
    sumIf(owed_credits + billed_credits - lot_credits, kind IN ('burned', 'owed', 'billed')),
    sumIf(owed_credits + billed_credits - lot_credits, kind IN ('burned', 'owed', 'billed') AND cause != 'event')
FROM ledger FINAL
WHERE partition = {partition:UInt32} AND version <= {version:UInt64}
    AND ({account:String} = '' OR account = {account:String})
GROUP BY account"""

_UNPAID = """
SELECT offset, account, sum(cost), sum(paid)
FROM (
    SELECT offset, account, credits AS cost, toDecimal128(0, 6) AS paid
    FROM charges FINAL
    WHERE partition = {partition:UInt32} AND offset >= {first:UInt64} AND offset < {end:UInt64}
        AND ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64})
        AND ({account:String} = '' OR account = {account:String})
    UNION ALL
    SELECT offset, account, toDecimal128(0, 6) AS cost, owed_credits + billed_credits - lot_credits AS paid
    FROM ledger FINAL
    WHERE partition = {partition:UInt32} AND offset >= {first:UInt64} AND offset < {end:UInt64}
        AND cause = 'event' AND kind IN ('burned', 'owed', 'billed')
        AND ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64})
        AND ({account:String} = '' OR account = {account:String})
)
GROUP BY offset, account
HAVING sum(cost) != sum(paid)
ORDER BY offset"""

_GRANTS = """
SELECT offset, account, lot, lot_credits
FROM ledger FINAL
WHERE partition = {partition:UInt32} AND offset >= {first:UInt64} AND offset < {end:UInt64}
    AND cause = 'command' AND kind = 'granted'
    AND ingested_at >= fromUnixTimestamp64Milli({since_ms:Int64})
    AND ({account:String} = '' OR account = {account:String})
ORDER BY offset, sequence"""

_OLDER = """
SELECT count()
FROM charges FINAL
WHERE partition = {partition:UInt32} AND ingested_at < fromUnixTimestamp64Milli({since_ms:Int64})"""

_BEFORE = """
SELECT account, sum(credits), count(), sum(charges.messages)
FROM charges FINAL
WHERE partition = {partition:UInt32} AND ({account:String} = '' OR account = {account:String})
    AND (ingested_at < fromUnixTimestamp64Milli({since_ms:Int64}) OR offset < {end:UInt64})
GROUP BY account"""


class ShownCharge(NamedTuple):
    """A charge as an analyst sees it, in microcredits, millionths and microseconds."""

    offset: int
    account: str
    source: str
    id: str
    agent: str
    conversation: str
    channel: str
    node: str
    quantity_micros: int
    cost_microcredits: int
    messages: int
    rate_card: str
    occurred_at_us: int


class ShownBalance(NamedTuple):
    """A balance as an analyst sees it; the first eleven are microcredits."""

    granted: int
    burned: int
    expired: int
    voided: int
    held: int
    charged: int
    refunded: int
    owed: int
    billed: int
    balance: int
    remaining: int
    events: int
    messages: int
    grants: int
    sequence: int
    head: str
    opened_at_ms: int
    updated_at_ms: int
    version: int


class ShownEntries(NamedTuple):
    """What an account's entries come to: from `balance` on in microcredits.

    `paid` is what usage and repricing burned, owed and billed, `repriced` the part of it that no event caused.
    """

    entries: int
    sequence: int
    head: str
    balance: int
    held: int
    owed: int
    billed: int
    granted: int
    burned: int
    expired: int
    voided: int
    refunded: int
    paid: int
    repriced: int


class ShownRollup(NamedTuple):
    """The sums of a rollup's segments, and the checkpoint that last wrote one."""

    totals: tuple[int, int, int, int]
    version: int


class ClickHouseView:
    """The tables as one partition fills them; `account` narrows it to one, if not empty."""

    def __init__(self, client: Client, partition: int, partitions: int, account: str) -> None:
        self._client = client
        self._asked = {"partition": partition, "partitions": partitions, "account": account}

    def charges(self, since_ms: int, first: int, end: int) -> Iterator[ShownCharge]:
        """Those of offsets in `usage.events`, in their order."""
        for row in self._rows(_CHARGES, since_ms=since_ms, first=first, end=end):
            charge = ShownCharge(*row)
            yield charge._replace(
                quantity_micros=_micros(charge.quantity_micros), cost_microcredits=_micros(charge.cost_microcredits)
            )

    def dead_letters(self, topic: str, since_ms: int, first: int, end: int) -> Iterator[tuple[int, str]]:
        """The offsets of a topic that were not booked, each with its reason, in their order."""
        yield from self._rows(_DEAD_LETTERS, topic=topic, since_ms=since_ms, first=first, end=end)

    def rollups(self, first_hour: int, end_hour: int) -> dict[RollupKey, ShownRollup]:
        """Every key of these hours."""
        found: dict[RollupKey, ShownRollup] = {}
        for *key, events, messages, quantity, cost, version in self._rows(
            _ROLLUPS, first_hour=first_hour, end_hour=end_hour
        ):
            account, hour, channel, agent, node = key
            totals = (events, messages, _micros(quantity), _micros(cost))
            found[account, hour, channel, agent, node] = ShownRollup(totals, version)
        return found

    def balances(self) -> dict[str, ShownBalance]:
        """Every account."""
        return {
            account: ShownBalance._make([*map(_micros, totals[:AMOUNTS]), *totals[AMOUNTS:]])
            for account, *totals in self._rows(_BALANCES)
        }

    def entries(self, version: int) -> dict[str, ShownEntries]:
        """Sums of every account's entries up to that checkpoint."""
        return {
            account: ShownEntries(entries, sequence, head, *map(_micros, sums))
            for account, entries, sequence, head, *sums in self._rows(_ENTRIES, version=version)
        }

    def unpaid(self, since_ms: int, first: int, end: int) -> Iterator[tuple[int, str, int, int]]:
        """Events whose entries do not come to what they cost: offset, account, cost and what the entries come to."""
        for offset, account, cost, paid in self._rows(_UNPAID, since_ms=since_ms, first=first, end=end):
            yield offset, account, _micros(cost), _micros(paid)

    def grants(self, since_ms: int, first: int, end: int) -> Iterator[tuple[int, str, str, int]]:
        """What commands granted: offset, account, lot and microcredits."""
        for offset, account, lot, granted in self._rows(_GRANTS, since_ms=since_ms, first=first, end=end):
            yield offset, account, lot, _micros(granted)

    def has_older_charges(self, since_ms: int) -> bool:
        """Whether usage was booked before that time, in a log that is no more."""
        ((count,),) = self._rows(_OLDER, since_ms=since_ms)
        return bool(count)

    def charged_before(self, since_ms: int, end: int) -> dict[str, tuple[int, int, int]]:
        """Cost, events and messages of every account, of what was charged before an offset of this log."""
        rows = self._rows(_BEFORE, since_ms=since_ms, end=end)
        return {account: (_micros(cost), events, messages) for account, cost, events, messages in rows}

    def _rows(self, query: str, **parameters: object) -> Iterator[Any]:
        asked: Mapping[str, Any] = {**self._asked, **parameters}
        try:
            with self._client.query_rows_stream(query, parameters=dict(asked), settings=_SETTINGS) as stream:
                yield from stream
        except ClickHouseError as error:
            raise judged(error) from error


def _micros(value: Any) -> int:
    return int(Decimal(value).scaleb(6))

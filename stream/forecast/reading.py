"""Reads a partition after the other: rows, then charges, then a forecast of every account."""

from collections.abc import Iterator
from typing import NamedTuple

from schemas.account import AccountRow
from schemas.partitioning import partition_of
from schemas.topics import TopicNames
from stream.forecast.hourly_use import WEEK_MS, HourlyUse
from stream.forecast.rows import Rows
from stream.reading_progress import ReadingProgress
from stream.rules.ledger.forecast import Forecast, forecast
from stream.topic_reader import TopicReader

_MARGIN_MS = 3_600_000
"""How much before an event's time its charge may seem to be written."""


class AccountForecast(NamedTuple):
    """An account, what it used in the last 24 hours, and when that ends."""

    row: AccountRow
    used_last_day: int
    forecast: Forecast


def forecasts(
    reader: TopicReader, topics: TopicNames, now_ms: int, account: str = "", *, quiet: bool = True
) -> Iterator[AccountForecast]:
    """Those of all accounts, or of one; what one partition holds is in memory at a time."""
    partitions = range(reader.partitions(topics.balances_changelog))
    if account:
        partitions = range(at := partition_of(account.encode(), len(partitions)), at + 1)
    # Accounts before their lots: what ends the first is in the second.
    accounts = reader.spans(topics.balances_changelog, partitions)
    lots = reader.spans(topics.lots_changelog, partitions)
    charges = reader.spans(topics.charges, partitions, now_ms - WEEK_MS - _MARGIN_MS)
    progress = ReadingProgress([*accounts, *lots, *charges], "records", quiet=quiet)
    for spans in zip(accounts, lots, charges, strict=True):
        rows, use = Rows(account), HourlyUse(now_ms, account)
        read_accounts, read_lots, read_charges = (progress.watch(reader.read([span])) for span in spans)
        rows.read_accounts(read_accounts)
        rows.read_lots(read_lots)
        use.read(read_charges, is_cut=spans[2].is_cut)
        for row, its_lots in rows.accounts():
            hours = use.of(row.account, row.opened_at_ms)
            yield AccountForecast(row, use.last_day(row.account), forecast(row, its_lots, hours, now_ms))

"""The ledger in ClickHouse, read in its order and in pages, so that any number of entries takes bounded memory."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.ledger import Entry
from sinks.refusals import judged
from sinks.verify.chain import Head, Stated

PAGE_ROWS = 20_000
"""Rows that are asked for at once: some ten megabytes."""

_ENTRIES = """
SELECT
    account, sequence, kind,
    toInt128(lot_credits * 1000000), toInt128(owed_credits * 1000000), toInt128(billed_credits * 1000000),
    toInt128(balance_credits * 1000000),
    lot, cause, source, id, offset, rate_card,
    toUnixTimestamp64Micro(occurred_at), toUnixTimestamp64Milli(ingested_at), toUnixTimestamp64Milli(booked_at),
    late, toInt128(price_minor * 1000000), toUnixTimestamp64Milli(period_start), detail,
    previous, hash
FROM ledger FINAL
WHERE {condition}
ORDER BY account, sequence
LIMIT {{rows:UInt64}}"""
_HEADS = """
SELECT account, sequence, head
FROM balances FINAL
WHERE {condition}
ORDER BY account
LIMIT {{rows:UInt64}}"""
_OF_ONE = "account = {account:String} AND sequence > {sequence:UInt64}"
_OF_ALL = "account > {account:String} OR (account = {account:String} AND sequence > {sequence:UInt64})"


class AccountHead(NamedTuple):
    """What an account's own row says of its ledger's end."""

    account: str
    head: Head


class StoredLedger:
    """Entries and heads of all accounts, or of one; ordered by the bytes of the account's name."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def entries(self, account: str = "", sequence: int = 0) -> Iterator[Stated]:
        """Entries of one account after that one, or of every account."""
        condition = _OF_ONE if account else _OF_ALL
        while True:
            page = self._ask(_ENTRIES.format(condition=condition), {"account": account, "sequence": sequence})
            for row in page:
                yield Stated(Entry(*row[:-2]), *row[-2:])
            if len(page) < PAGE_ROWS:
                return
            account, sequence = page[-1][:2]

    def heads(self, account: str = "") -> Iterator[AccountHead]:
        """Of one account or of every account that has booked something."""
        only = bool(account)
        condition = "account = {account:String}" if only else "account > {account:String}"
        while True:
            page = self._ask(_HEADS.format(condition=f"{condition} AND sequence > 0"), {"account": account})
            for name, sequence, head in page:
                yield AccountHead(name, Head(sequence, head))
            if only or len(page) < PAGE_ROWS:
                return
            account = page[-1][0]

    def _ask(self, sql: str, parameters: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        try:
            return self._client.query(sql, parameters={**parameters, "rows": PAGE_ROWS}).result_rows
        except ClickHouseError as error:
            raise judged(error) from error

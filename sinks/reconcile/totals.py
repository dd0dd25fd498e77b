"""Compares sums: rollups by hour, and balances in ClickHouse, in the worker's table and by the inputs."""

from collections.abc import Iterable, Set
from typing import NamedTuple

import msgspec
from confluent_kafka import Message

from schemas.account import CONTROL_KEY_PREFIX, AccountRow, account_of
from schemas.credits import format_credits
from sinks.reconcile.books import Totals
from sinks.reconcile.drift import Difference, Drift, differing, told
from sinks.reconcile.events import Recomputed
from sinks.reconcile.log import LogError
from sinks.reconcile.shown import AMOUNTS, RollupKey, ShownBalance, ShownEntries, ShownRollup


class Compared(NamedTuple):
    """How many rows were compared, and how many could not be, as they changed meanwhile."""

    rows: int
    changed: int


class TableState:
    """The worker's table: every account as one checkpoint left it, and whether ClickHouse has its rows as written.

    ClickHouse was read before: a row of its version is in the table's log, or was replaced by a later one since.
    """

    def __init__(self, version: int, shown: dict[str, ShownBalance], account: str = "") -> None:
        self.rows: dict[str, AccountRow] = {}
        self._version = version
        self._shown = shown
        self._account = account
        self._met: set[str] = set()
        self.newer: set[str] = set()
        """Accounts that a later checkpoint has written since."""
        self.differing: dict[str, tuple[str, str]] = {}

    def read(self, changelog: Iterable[Message]) -> None:
        """Take every row of the changelog, in order."""
        for message in changelog:
            key, value = message.key() or b"", message.value()
            if value is None or key.startswith(CONTROL_KEY_PREFIX):
                continue
            try:
                row = account_of(value)
            except msgspec.MsgspecError as error:
                place = f"{message.topic()}/{message.partition()}/{message.offset()}"
                raise LogError(f"{place} is no balance: {error}. Was it written by a newer worker?") from None
            if not self._account or row.account == self._account:
                self._take(row)

    def _take(self, row: AccountRow) -> None:
        account: str = row.account
        if row.version <= self._version:
            self.rows[account] = row
        else:
            self.newer.add(account)
        shown = self._shown.get(account)
        if shown is not None and shown.version == row.version:
            self._met.add(account)
            must, is_ = differing(_shown_fields(_as_shown(row)), _shown_fields(shown))
            if must:
                self.differing[account] = must, is_
            else:
                self.differing.pop(account, None)

    def compare(self, partition: int, drift: Drift) -> Compared:
        """ClickHouse's balances with the table's."""
        rows = changed = 0
        for account in sorted(self.rows.keys() | self._shown.keys()):
            row, shown = self.rows.get(account), self._shown.get(account)
            must = "no row" if row is None else told(_shown_fields(_as_shown(row)))
            if account in self.differing:
                must, is_ = self.differing[account]
                drift.add(Difference("balances", account, partition, "differs", must, is_))
            elif shown is None:
                drift.add(Difference("balances", account, partition, "missing", must, "no row"))
            elif account not in self._met:
                # A later row of the table may have removed the one that ClickHouse has.
                if shown.version > self._version and account in self.newer:
                    changed += 1
                    continue
                is_ = told(_shown_fields(shown))
                drift.add(Difference("balances", account, partition, "of no checkpoint", must, is_))
            rows += 1
        return Compared(rows, changed)


def compare_rollups(
    expected: dict[RollupKey, list[int]],
    shown: dict[RollupKey, ShownRollup],
    between: tuple[int, int],
    corrected: Set[str],
    partition: int,
    drift: Drift,
) -> Compared:
    """Hourly sums; a key that a checkpoint wrote `between` this point and the last one is left to the next run.

    Of accounts with events that were refunded or priced anew credits are not compared: the ledger does not say of which
    hour they were.
    """
    changed = 0
    keys = expected.keys() | shown.keys()
    for key in sorted(keys):
        found = shown.get(key)
        if found is not None and between[0] < found.version <= between[1]:
            changed += 1
            continue
        must, is_ = expected.get(key), None if found is None else list(found.totals)
        if must is not None and is_ is not None and key[0] in corrected:
            must = [*must[:-1], is_[-1]]
        if must != is_:
            account, hour, channel, agent, node = key
            what = "missing" if is_ is None else "unexpected" if must is None else "differs"
            place = told({"hour": hour, "channel": channel, "agent": agent, "node": node})
            drift.add(
                Difference("rollups", account, partition, f"{what}: {place}", _rollup_told(must), _rollup_told(is_))
            )
    return Compared(len(keys) - changed, changed)


def compare_table_whole(
    table: TableState, accounts: dict[str, Totals], entries: dict[str, ShownEntries], partition: int, drift: Drift
) -> Compared:
    """The table with books that were kept from the beginning: what usage was charged, and what was priced anew."""
    names = accounts.keys() | table.rows.keys()
    for account in sorted(names):
        totals, row, shown = accounts.get(account), table.rows.get(account), entries.get(account)
        expected = _told_totals(totals, shown.repriced if shown else 0)
        if totals is None and row is not None and row.events == 0:
            # Commands of other kinds open accounts, too.
            expected = _charged_fields(0, 0, 0)
        _compare_row(account, expected, _told_row(row), partition, drift)
    return Compared(len(names), 0)


def compare_table_by_differences(
    table: TableState,
    before: dict[str, tuple[int, int, int]],
    recomputed: Recomputed,
    entries: dict[str, ShownEntries],
    partition: int,
    drift: Drift,
) -> Compared:
    """The table with what ClickHouse charged before, and what was recomputed since: nothing is said of grants."""
    names = before.keys() | recomputed.charged.keys() | table.rows.keys()
    for account in sorted(names):
        earlier, since = before.get(account, (0, 0, 0)), recomputed.charged.get(account, (0, 0, 0))
        cost, events, messages = (one + other for one, other in zip(earlier, since, strict=True))
        row = table.rows.get(account)
        expected = _charged_fields(cost, events, messages)
        found = _told_row(row)
        if row is not None and row.account in entries:
            expected = _charged_fields(cost + entries[row.account].repriced, events, messages)
        _compare_row(account, expected, found, partition, drift)
    return Compared(len(names), 0)


def _compare_row(
    account: str, expected: dict[str, object], found: dict[str, object], partition: int, drift: Drift
) -> None:
    if expected == found:
        return
    what = "missing" if not found else "unexpected" if not expected else "differs"
    must, is_ = differing(expected, found) if what == "differs" else (told(expected), told(found))
    drift.add(Difference("balances_changelog", account, partition, what, must or "no row", is_ or "no row"))


def _charged_fields(cost: int, events: int, messages: int) -> dict[str, object]:
    return {"charged": format_credits(cost), "events": events, "messages": messages}


def _told_totals(totals: Totals | None, repriced: int) -> dict[str, object]:
    return {} if totals is None else _charged_fields(totals.charged + repriced, totals.events, totals.messages)


def _told_row(row: AccountRow | None) -> dict[str, object]:
    return {} if row is None else _charged_fields(row.charged, row.events, row.messages)


def _as_shown(row: AccountRow) -> ShownBalance:
    return ShownBalance(
        row.granted,
        row.burned,
        row.expired,
        row.voided,
        row.held,
        row.charged,
        row.refunded,
        row.owed,
        row.billed,
        row.balance,
        row.remaining,
        row.events,
        row.messages,
        row.grants,
        row.sequence,
        row.head.hex(),
        row.opened_at_ms,
        row.updated_at_ms,
        row.version,
    )


def _shown_fields(shown: ShownBalance) -> dict[str, object]:
    fields = shown._asdict()
    return {
        name: format_credits(value) if place < AMOUNTS else value for place, (name, value) in enumerate(fields.items())
    }


def _rollup_told(totals: list[int] | None) -> str:
    if totals is None:
        return "no row"
    events, messages, quantity_micros, cost = totals
    return told(
        {
            "events": events,
            "messages": messages,
            "quantity": format_credits(quantity_micros),
            "credits": format_credits(cost),
        }
    )

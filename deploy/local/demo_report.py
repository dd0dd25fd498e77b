"""What the demo shows of the trace: balances and the usage tables, asked as an analyst would."""

import json
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from deploy.local.demo_processes import DemoProcesses
from deploy.local.demo_story import ACCOUNTS
from deploy.local.demo_tables import as_table, indented

_ACCOUNTS = 3
_DAYS = 7
_BALANCE = (
    "account",
    "remaining_credits",
    "owed_credits",
    "granted_credits",
    "charged_credits",
    "events",
    "messages",
    "entries",
    "updated_at",
)
_TABLES = {"trend": "by day", "channels": "by channel", "agents": "by agent", "nodes": "by node"}


def print_report(processes: DemoProcesses, clickhouse: Client) -> None:
    """The balances of the busiest accounts, and the four usage tables of each."""
    accounts = _busiest(clickhouse)
    balances = processes.run_each(_query("balance", account, "--format", "json") for account in accounts)
    print(f"\nBalances of the {len(accounts)} busiest accounts")
    print(indented(as_table(json.dumps([row for answer in balances for row in json.loads(answer)]), _BALANCE)))
    asked = [(account, name) for account in accounts for name in _TABLES]
    tables = processes.run_each(_query(name, account, *_days()) for account, name in asked)
    for (account, name), table in zip(asked, tables, strict=True):
        print(f"\n{account}, usage {_TABLES[name]}")
        print(indented(table))


def _busiest(clickhouse: Client) -> list[str]:
    rows = clickhouse.query(
        "SELECT account FROM current_balances WHERE NOT has({story:Array(String)}, account)"
        " ORDER BY events DESC, account LIMIT {n:UInt8}",
        parameters={"n": _ACCOUNTS, "story": list(ACCOUNTS)},
    ).result_rows
    return [str(row[0]) for row in rows]


def _query(name: str, account: str, *options: str) -> list[str]:
    return ["sinks", "query", name, "--account", account, *options]


def _days() -> list[str]:
    today = datetime.now(UTC).date()
    # Usage of the current hour is still of today; `to` is not included.
    return ["--from", str(today - timedelta(days=_DAYS)), "--to", str(today + timedelta(days=1))]

"""What the demo shows at the end: balances and the usage tables, asked as an analyst would."""

from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from deploy.local.demo_processes import DemoProcesses

_ACCOUNTS = 3
_DAYS = 7
_TABLES = {"trend": "by day", "channels": "by channel", "agents": "by agent", "nodes": "by node"}


def print_report(processes: DemoProcesses, clickhouse: Client) -> None:
    """The balances of the busiest accounts, and the four usage tables of each."""
    accounts = _busiest(clickhouse)
    print(f"\nBalances of the {len(accounts)} busiest accounts")
    balances = [_ask(processes, "balance", account).splitlines() for account in accounts]
    # One heading for all: it is as wide as the rows.
    print(_indented("\n".join([*balances[0][:-1], *(lines[-1] for lines in balances)])))
    for account in accounts:
        for name, title in _TABLES.items():
            print(f"\n{account}, usage {title}")
            print(_indented(_ask(processes, name, account)))


def _busiest(clickhouse: Client) -> list[str]:
    rows = clickhouse.query(
        "SELECT account FROM current_balances ORDER BY events DESC, account LIMIT {n:UInt8}",
        parameters={"n": _ACCOUNTS},
    ).result_rows
    return [str(row[0]) for row in rows]


def _ask(processes: DemoProcesses, name: str, account: str) -> str:
    today = datetime.now(UTC).date()
    # Usage of the current hour is still of today; `to` is not included.
    days = ["--from", str(today - timedelta(days=_DAYS)), "--to", str(today + timedelta(days=1))]
    return processes.run("sinks", "query", name, "--account", account, *([] if name == "balance" else days))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())

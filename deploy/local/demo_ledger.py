"""What the demo shows of the story's ledger: the screens of credits, and that its chains hold."""

from pathlib import Path
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from deploy.local.demo_processes import DemoProcesses
from deploy.local.demo_story import ACCOUNTS, ACME
from deploy.local.demo_tables import as_table, indented

_BEFORE, _AFTER = 3, 3
"""Entries shown around the one from which on overage was billed."""


class Screen(NamedTuple):
    """A question about an account, and the columns of its answer that are shown."""

    account: str
    query: str
    title: str
    columns: tuple[str, ...]
    options: tuple[str, ...] = ()


_LOTS = ("part", "credits", "lot", "kind", "granted_credits", "effective_at", "expires_at")
_PERIOD = ("plan", "period_start", "period_end", "included_credits", "used_credits", "left_of_plan_credits")
_BILL = ("state", "period_start", "period_end", "credits", "price_minor", "amount_minor", "currency")
_BOUGHT = ("granted_at", "kind", "lot", "credits", "paid_minor", "currency", "payment", "left_credits")
_ASKED = ("number", "request", "asked_at", "credits", "became", "paid_at", "paid_minor", "currency", "payment")
_ALERT = ("at", "alert", "level_credits", "remaining_credits", "mode")
_ENTRY = ("entry", "at", "kind", "change_credits", "balance_credits", "lot", "cause", "id", "detail")
_WHY = ("entry", "kind", "change_credits", "billed_credits", "balance_credits", "lot", "id")
_WHERE = ("partition", "offset", "agent", "node", "quantity")


def print_ledger(processes: DemoProcesses, clickhouse: Client, folder: Path) -> None:
    """The screens of both accounts; a statement of one, verified offline; and every chain verified."""
    screens = _screens(clickhouse)
    print("\nThe story's screens; amounts are credits")
    answers = processes.run_each(
        ["sinks", "query", each.query, "--account", each.account, *each.options, "--format", "json"] for each in screens
    )
    for screen, answer in zip(screens, answers, strict=True):
        asked = " ".join(("python -m sinks query", screen.query, "--account", screen.account, *screen.options))
        print(f"\n{screen.account}, {screen.title}: {asked}")
        print(indented(as_table(answer, screen.columns)))
    _print_verified(processes, clickhouse, folder)


def _screens(clickhouse: Client) -> list[Screen]:
    credits_of = [Screen(account, "credits", "lot by lot as they burn", _LOTS) for account in ACCOUNTS]
    billed = _first_billed(clickhouse)
    around = ("--first", str(billed - _BEFORE), "--last", str(billed + _AFTER))
    return [
        *credits_of,
        Screen(ACME, "period", "the plan's period", (*_PERIOD, "overage_credits")),
        Screen(ACME, "bills", "overage on the bill that is open", _BILL),
        Screen(ACME, "purchases", "what was bought", _BOUGHT),
        Screen(ACME, "refills", "what was asked for", _ASKED),
        *(Screen(account, "alerts", "who was told what, newest first", _ALERT) for account in ACCOUNTS),
        *(Screen(account, "history", "the newest entries", _ENTRY, ("--limit", "5")) for account in ACCOUNTS),
        Screen(ACME, "why", "why the balance is what it is", (*_WHY, *_WHERE), around),
    ]


def _first_billed(clickhouse: Client) -> int:
    asked = "SELECT min(sequence) FROM ledger_entries WHERE account = {account:String} AND kind = 'billed'"
    return int(clickhouse.query(asked, parameters={"account": ACME}).result_rows[0][0])


def _print_verified(processes: DemoProcesses, clickhouse: Client, folder: Path) -> None:
    statement = folder / f"{ACME}-statement.csv"
    exported = processes.run("sinks", "query", "statement", "--account", ACME, "--format", "csv")
    statement.write_text(exported, encoding="utf-8", newline="")
    head = clickhouse.query(
        "SELECT head FROM current_balances WHERE account = {account:String}", parameters={"account": ACME}
    ).result_rows[0][0]
    offline = ("sinks", "verify-ledger", "--from-file", str(statement), "--head", str(head))
    of_file, of_all = processes.run_each([offline, ("sinks", "verify-ledger", "--quiet")])
    print(f"\n{ACME}, its statement verified offline: python -m sinks verify-ledger --from-file {statement}")
    print(indented(of_file))
    print("\nEvery account's chain of entries: python -m sinks verify-ledger")
    print(indented(of_all))

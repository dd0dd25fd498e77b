"""An account's balance: opened by what comes first, raised by grants, burned down by charges."""

from schemas.balance import Balance
from schemas.credits import FREE_GRANT_MICROCREDITS
from schemas.identifiers import Account

LARGEST_TOTAL_MICROCREDITS = 4 * 10**18
"""The most that an account is charged or granted in all: totals are written in 64 bits."""


def open_by_usage(account: Account, clock_ms: int) -> Balance:
    """An account that usage opens gets the free grant, once ever."""
    balance = open_by_command(account, clock_ms)
    grant(balance, FREE_GRANT_MICROCREDITS)
    return balance


def open_by_command(account: Account, clock_ms: int) -> Balance:
    """An account that a command opens starts with what the command gives."""
    return Balance(account, opened_at_ms=clock_ms, updated_at_ms=clock_ms)


def grant(balance: Balance, microcredits: int) -> None:
    """Give credits."""
    balance.granted_microcredits += microcredits
    balance.grants += 1


def burn(balance: Balance, cost_microcredits: int, messages: int, clock_ms: int) -> None:
    """Take what an event cost; usage that arrives is always booked, below zero too."""
    balance.charged_microcredits += cost_microcredits
    balance.events += 1
    balance.messages += messages
    balance.updated_at_ms = clock_ms

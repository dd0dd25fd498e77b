"""Carries out commands: grants and top-ups, each once."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from schemas.balance import Balance
from schemas.dead_letter import Reason
from stream.rules import burndown
from stream.rules.commands import (
    REMEMBERED_MS,
    ReceivedCommand,
    Remembered,
    check_command_time,
    content_of,
    granted_microcredits,
    once_keys,
    read_command,
)
from stream.rules.outcome import Reject

K = TypeVar("K", contravariant=True)
R = TypeVar("R")


class Rows(Protocol[K, R]):
    """A table, as far as rules know tables."""

    changed: list[R]

    def get(self, key: K, /) -> R | None: ...
    def pop(self, key: K, default: None, /) -> R | None: ...
    def __setitem__(self, key: K, row: R, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...


def book_command(
    value: bytes | None,
    key: bytes | None,
    clock_ms: int,
    version: int,
    balances: Rows[str, Balance],
    remembered: Rows[bytes, Remembered],
    check_partition: Callable[[str], Reject | None],
) -> bool | Reject:
    """Carry a command out; False when it is one that was, sent again."""
    command = read_command(value, key)
    if isinstance(command, Reject):
        return command
    refused = check_partition(command.subject) if command.subject not in balances else None
    refused = refused or check_command_time(command, clock_ms)
    if refused is not None:
        return refused
    content = content_of(command)
    used = _used_before(command, content, clock_ms, remembered)
    if used is not None:
        return used
    amount = granted_microcredits(command)
    balance = balances.get(command.subject)
    if balance is not None and balance.granted_microcredits + amount > burndown.LARGEST_TOTAL_MICROCREDITS:
        detail = f"with it the account would have got more than {burndown.LARGEST_TOTAL_MICROCREDITS} microcredits"
        return Reject(Reason.INVALID_AMOUNT, detail, command.subject)
    _remember(command, content, clock_ms, version, remembered)
    if balance is None:
        balance = balances[command.subject] = burndown.open_by_command(command.subject, clock_ms)
    burndown.grant(balance, amount)
    balance.updated_at_ms = clock_ms
    if balance.version != version:
        balance.version = version
        balances.changed.append(balance)
    return True


def _used_before(
    command: ReceivedCommand, content: bytes, clock_ms: int, remembered: Rows[bytes, Remembered]
) -> bool | Reject | None:
    for place, (key, reason) in enumerate(once_keys(command)):
        before = remembered.get(key)
        if before is not None and clock_ms - before.at_ms > REMEMBERED_MS:
            before = None
        if place == 0 and before is not None and before.content == content:
            return False
        if before is not None or (reason is Reason.GRANT_ID_REUSED and _is_free_grant(command)):
            return Reject(reason, _DETAILS[reason], command.subject)
    return None


def _is_free_grant(command: ReceivedCommand) -> bool:
    """That name is taken, or will be, by what usage brings to a new account."""
    return command.data.grant == f"free:{command.subject}"


def _remember(
    command: ReceivedCommand, content: bytes, clock_ms: int, version: int, remembered: Rows[bytes, Remembered]
) -> None:
    for key, _ in once_keys(command):
        # Taken out first: rows stay in the order in which they were booked.
        remembered.pop(key, None)
        row = remembered[key] = Remembered(key, content, clock_ms, version)
        remembered.changed.append(row)


_DETAILS = {
    Reason.COMMAND_ID_REUSED: "its source and id were used by a command of other content",
    Reason.GRANT_ID_REUSED: "the account has a grant of this name; free:ACCOUNT is the name of its free one",
    Reason.PAYMENT_REUSED: "the payment bought credits before",
}

"""Carries out grants and top-ups on balances, each once: what the worker does until it has the ledger."""

from collections.abc import Callable

from schemas.balance import Balance
from schemas.command import Grant, TopUp
from schemas.credits import parse_credits
from schemas.dead_letter import Reason
from stream.rules import burndown
from stream.rules.carrying_out import once_keys
from stream.rules.commands import Remembered, check_command_time, content_of, read_command
from stream.rules.outcome import Reject
from stream.rules.used_once import Rows, remember, used_before


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
    data, account = command.data, command.subject
    refused = check_partition(account) if account not in balances else None
    if refused is None and not isinstance(data, Grant | TopUp):
        refused = Reject(Reason.INVALID_FIELD, f"kind is {data.__struct_config__.tag!r}, not grant or top_up", account)
    refused = refused or check_command_time(command, clock_ms)
    if refused is not None or not isinstance(data, Grant | TopUp):
        return refused or False
    keys, content = once_keys(command), content_of(command)
    used = used_before(account, keys, content, clock_ms, remembered)
    if used is not None:
        return used
    if data.grant == f"free:{account}":
        return Reject(Reason.GRANT_ID_REUSED, "free:ACCOUNT is the name of its free grant", account)
    amount = parse_credits(data.credits)
    balance = balances.get(account)
    if balance is not None and balance.granted_microcredits + amount > burndown.LARGEST_TOTAL_MICROCREDITS:
        detail = f"with it the account would have got more than {burndown.LARGEST_TOTAL_MICROCREDITS} microcredits"
        return Reject(Reason.INVALID_AMOUNT, detail, account)
    remember(keys, content, clock_ms, version, remembered)
    if balance is None:
        balance = balances[account] = burndown.open_by_command(account, clock_ms)
    burndown.grant(balance, amount)
    balance.updated_at_ms = clock_ms
    if balance.version != version:
        balance.version = version
        balances.changed.append(balance)
    return True

"""Which partition an account belongs to, so that its usage and its commands meet in one."""

from collections.abc import Callable, Iterable, Sequence

from schemas.dead_letter import Reason
from stream.rules.outcome import Reject

PartitionsFor = Callable[[Sequence[bytes]], list[int]]
"""The partitions that keys belong to."""


def check_partitions(accounts: Iterable[str], partition: int, partitions_for: PartitionsFor) -> dict[str, Reject]:
    """Those of the accounts that may not open here: where another partition is their keys', two balances."""
    names = list(accounts)
    belongs = partitions_for([account.encode() for account in names])
    refused = {}
    for account, right in zip(names, belongs, strict=True):
        if account.startswith("\0"):
            detail = "subject begins with a zero character, as control records do"
            refused[account] = Reject(Reason.INVALID_FIELD, detail, account)
        elif right != partition:
            detail = f"it is in partition {partition}, its key belongs to {right}"
            refused[account] = Reject(Reason.WRONG_PARTITION, detail, account)
    return refused

"""Which partition an account belongs to, so that its usage and its commands meet in one."""

from collections.abc import Callable

from schemas.dead_letter import Reason
from stream.rules.outcome import Reject


def check_partition(account: str, partition: int, partition_for: Callable[[bytes], int]) -> Reject | None:
    """An account in another partition than its key's would have two balances."""
    if account.startswith("\0"):
        return Reject(Reason.INVALID_FIELD, "subject begins with a zero character, as control records do", account)
    right = partition_for(account.encode())
    if right == partition:
        return None
    return Reject(Reason.WRONG_PARTITION, f"it is in partition {partition}, its key belongs to {right}", account)

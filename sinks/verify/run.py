"""Follows every account's chain in ClickHouse to the last entry that its own row knows of."""

import time
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Protocol

from msgspec import Struct

from sinks.verify.chain import Break, Followed, Head, Stated, follow, start
from sinks.verify.stored import AccountHead

MOST_BEHIND = 10_000
"""Accounts whose rows the sink writes meanwhile, and that are looked at again at the end."""
_AGAIN_SECONDS = 1.0
_PROGRESS_ENTRIES = 4_096


class LedgerBehindError(Exception):
    """Too many accounts' entries and rows are apart: the sink has not caught up."""


class Stored(Protocol):
    """Where entries and accounts' rows are, ordered by the bytes of the account's name."""

    def entries(self, account: str = "", sequence: int = 0) -> Iterator[Stated]:
        """Entries of one account after that one, or of every account."""

    def heads(self, account: str = "") -> Iterator[AccountHead]:
        """Of one account, or of every account that has booked something."""


class Verified(Struct):
    """What was followed, and where chains break."""

    accounts: int = 0
    entries: int = 0
    broken: int = 0


class Verification:
    """One run; `tell` is given each break, `progress` what was followed so far, every now and then.

    The sink goes on meanwhile, and writes an account's entries and its row in any order: whichever is behind is read
    again until they agree, for so many seconds.
    """

    def __init__(
        self,
        stored: Stored,
        *,
        tell: Callable[[Break], None],
        progress: Callable[[Verified], None],
        wait_seconds: float,
    ) -> None:
        self._stored = stored
        self._tell = tell
        self._progress = progress
        self._wait_seconds = wait_seconds
        self._behind: list[Followed] = []
        self.found = Verified()

    def run(self, account: str = "") -> Verified:
        """Of one account, or of all."""
        for name, head, entries in _side_by_side(self._stored.heads(account), self._stored.entries(account)):
            self.found.accounts += 1
            self._judge(follow(start(name), self._counted(entries), head), head)
            self._progress(self.found)
        self._look_again()
        return self.found

    def _judge(self, followed: Followed | Break, head: Head | None) -> None:
        if isinstance(followed, Break):
            self._break(followed)
        elif head is None or followed.sequence < head.sequence:
            if len(self._behind) == MOST_BEHIND:
                raise LedgerBehindError(
                    f"the entries and rows of more than {MOST_BEHIND} accounts are apart: run it again when the sink "
                    "has caught up"
                )
            self._behind.append(followed)

    def _look_again(self) -> None:
        deadline = time.monotonic() + self._wait_seconds
        while self._behind:
            behind, self._behind = self._behind, []
            late = time.monotonic() >= deadline
            for followed in behind:
                self._follow_on(followed, late=late)
            if self._behind:
                time.sleep(_AGAIN_SECONDS)

    def _follow_on(self, since: Followed, *, late: bool) -> None:
        head = next((each.head for each in self._stored.heads(since.account)), None)
        if head is not None and head.sequence < since.sequence:
            # The row that came is of an entry that was passed without it.
            since = start(since.account)
        entries = self._stored.entries(since.account, since.sequence)
        followed = follow(since, self._counted(entries), head)
        if late and isinstance(followed, Followed):
            if head is None:
                followed = Break(since.account, followed.sequence, "the account has no row in balances")
            elif followed.sequence < head.sequence:
                last = f"entry {head.sequence} is the last by the account's row"
                followed = Break(since.account, followed.sequence + 1, f"it is missing, {last}")
        self._judge(followed, head)

    def _break(self, found: Break) -> None:
        self.found.broken += 1
        self._tell(found)

    def _counted(self, entries: Iterator[Stated]) -> Iterator[Stated]:
        for entry in entries:
            self.found.entries += 1
            if not self.found.entries % _PROGRESS_ENTRIES:
                self._progress(self.found)
            yield entry


def _side_by_side(
    heads: Iterator[AccountHead], entries: Iterator[Stated]
) -> Iterator[tuple[str, Head | None, Iterator[Stated]]]:
    """Each account with its head and its entries, where there are any."""
    waiting = next(heads, None)
    for account, of_account in groupby(entries, key=lambda stated: str(stated.entry.account)):
        place = account.encode()
        while waiting is not None and waiting.account.encode() < place:
            yield waiting.account, waiting.head, iter(())
            waiting = next(heads, None)
        if waiting is not None and waiting.account == account:
            yield account, waiting.head, of_account
            waiting = next(heads, None)
        else:
            yield account, None, of_account
    while waiting is not None:
        yield waiting.account, waiting.head, iter(())
        waiting = next(heads, None)

"""When the clock has something to do, for every account of a partition: found without looking at the others."""

from heapq import heapify, heappop, heappush

from schemas.lot import NEVER_MS

_FEW = 1_024


class DueTimes:
    """One due time an account. Most fall on the same midnights: a heap of instants, each with its accounts.

    An account whose due time changed stays in the old instant's list until that is met, or too many do.
    """

    def __init__(self) -> None:
        self._due_at_ms: dict[str, int] = {}
        self._accounts: dict[int, tuple[int, list[str]]] = {}
        self._instants: list[int] = []
        self._listed = 0
        self._sorted_ms = -1

    def __len__(self) -> int:
        return len(self._due_at_ms)

    @property
    def listed(self) -> int:
        """How many places in lists are taken: bounded by twice the accounts."""
        return self._listed

    def set(self, account: str, due_at_ms: int) -> None:
        """The account's next due time, instead of the one it had."""
        if self._due_at_ms.get(account, NEVER_MS) == due_at_ms:
            return
        if due_at_ms >= NEVER_MS:
            del self._due_at_ms[account]
            return
        self._list(account, due_at_ms)
        if self._listed > 2 * len(self._due_at_ms) + _FEW:
            self._list_anew()

    def next_ms(self) -> int:
        """The earliest due time of all."""
        while self._instants:
            instant = self._instants[0]
            accounts = self._accounts[instant][1]
            while accounts and self._due_at_ms.get(accounts[-1]) != instant:
                accounts.pop()
                self._listed -= 1
            if accounts:
                return instant
            del self._accounts[heappop(self._instants)]
        return NEVER_MS

    def pop(self, now_ms: int) -> tuple[int, str] | None:
        """The account due next, up to and including now, by time and then by name; None when there is none."""
        instant = self.next_ms()
        if instant > now_ms:
            return None
        accounts = self._accounts[instant][1]
        if self._sorted_ms != instant:
            accounts.sort(reverse=True)
            self._sorted_ms = instant
            self.next_ms()
        account = accounts.pop()
        self._listed -= 1
        del self._due_at_ms[account]
        return instant, account

    def _list(self, account: str, due_at_ms: int) -> None:
        found = self._accounts.get(due_at_ms)
        if found is None:
            found = self._accounts[due_at_ms] = due_at_ms, []
            heappush(self._instants, due_at_ms)
        # One integer for all accounts of an instant.
        self._due_at_ms[account] = found[0]
        found[1].append(account)
        self._listed += 1
        if due_at_ms == self._sorted_ms:
            self._sorted_ms = -1

    def _list_anew(self) -> None:
        self._accounts = {}
        self._listed = 0
        for account, due_at_ms in list(self._due_at_ms.items()):
            found = self._accounts.setdefault(due_at_ms, (due_at_ms, []))
            found[1].append(account)
            self._listed += 1
        self._instants = list(self._accounts)
        heapify(self._instants)
        self._sorted_ms = -1

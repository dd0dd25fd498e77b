"""What differs: counted for each kind and account, and the first of each kind in full."""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

KINDS = {
    "charges": "priced events in ClickHouse, by their offset",
    "dead_letters": "input that was not booked, in ClickHouse, by its offset",
    "rollups": "hourly usage in ClickHouse",
    "balances": "balances in ClickHouse, with the worker's table",
    "balances_changelog": "the worker's table, with the inputs",
    "ledger": "ledger entries in ClickHouse, with the worker's table, the charges and the commands",
}
"""What is compared, with what."""

_MOST_ACCOUNTS = 10_000
OTHER_ACCOUNTS = "(others)"
_LONGEST = 400


class Difference(Struct, frozen=True):
    """One row that is not as it must be; offset and id are those of the input's record, where there is one."""

    kind: str
    account: str
    partition: int
    what: str
    expected: str
    found: str
    topic: str = ""
    offset: int | None = None
    id: str = ""


class Drift:
    """The differences of a run; at most `shown` of each kind are kept in full, and 10,000 accounts are told apart."""

    def __init__(self, shown: int) -> None:
        self.accounts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        self.first: list[Difference] = []
        self._shown = shown

    @property
    def counts(self) -> dict[str, int]:
        """How many rows of each kind differ."""
        return {kind: counted.total() for kind, counted in self.accounts.items()}

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def add(self, difference: Difference) -> None:
        """Count it, and keep it if it is one of the first."""
        counted = self.accounts[difference.kind]
        known = difference.account in counted or len(counted) < _MOST_ACCOUNTS
        if counted.total() < self._shown:
            self.first.append(difference)
        counted[difference.account if known else OTHER_ACCOUNTS] += 1


def differing(expected: Mapping[str, object], found: Mapping[str, object]) -> tuple[str, str]:
    """The fields that differ, as they must be and as they are; empty where none does."""
    names = [name for name, value in expected.items() if found.get(name) != value]
    return told({name: expected[name] for name in names}), told({name: found.get(name) for name in names})


def told(fields: Mapping[str, object]) -> str:
    """Fields in a line of bounded length."""
    text = ", ".join(f"{name} {value}" for name, value in fields.items())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

"""What a fault did to the figures: events lost, doubled, and the drift of balances, against the oracle."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct

from tests.chaos.figures import ChargeMarks, CompactExpected, CompactShown, EntryMarks, Marks
from tests.simulation.oracle import differences
from tests.simulation.oracle_records import Figures

_MOST_NAMED = 10


class Verdict(Struct, frozen=True):
    """`drift` sums, in microcredits, how far what remains and each rollup is off; `found` says it in lines."""

    accepted: int
    lost: int
    doubled: int
    drift: int
    found: list[str]

    @property
    def exact(self) -> bool:
        return not (self.lost or self.doubled or self.drift or self.found)


def judge(expected: CompactExpected, shown: CompactShown, where: str) -> Verdict:
    """What is shown there against what the oracle expects."""
    # Charges and entries are told apart by their marks: their dictionaries are empty.
    found = differences(expected, shown)
    lost, doubled, lines = _charges(expected.charges, shown.charges)
    found += lines
    found += _entries(expected.entries, shown.entries)
    found += shown.broken[:_MOST_NAMED]
    if shown.doubled:
        found.append(f"written twice: {[str(place) for place in shown.doubled[:_MOST_NAMED]]}")
    lost += len(expected.dead_letters.keys() - shown.dead_letters.keys())
    doubled += len(shown.dead_letters.keys() - expected.dead_letters.keys()) + len(shown.doubled)
    told = [f"{where}: {line}" for line in found]
    return Verdict(len(expected.charges.places), lost, doubled, _drift(expected, shown), told)


def both(one: Verdict, other: Verdict) -> Verdict:
    """Kafka's and ClickHouse's verdict as one: what is wrong in either is wrong."""
    return Verdict(
        one.accepted,
        one.lost + other.lost,
        one.doubled + other.doubled,
        one.drift + other.drift,
        one.found + other.found,
    )


def _charges(expected: ChargeMarks, shown: ChargeMarks) -> tuple[int, int, list[str]]:
    """How many are lost, how many too many; and these, and those that say something else, in lines."""
    (wanted, wanted_prints), (all_found, all_prints) = expected.sorted(), shown.sorted()
    found, first = np.unique(all_found, return_index=True)
    lost = np.setdiff1d(wanted, found, assume_unique=True)
    unexpected = np.setdiff1d(found, wanted, assume_unique=True)
    _, ours, theirs = np.intersect1d(wanted, found, assume_unique=True, return_indices=True)
    other = wanted[ours][wanted_prints[ours] != all_prints[first][theirs]]
    lines = [
        *_named("charges are missing", lost),
        *_named("charges are unexpected", unexpected),
        *_named("charges say something else", other),
    ]
    # Charges that came twice are among `Observed.doubled` too, for Kafka; ClickHouse keeps one of each.
    return len(lost), len(unexpected), lines


def _entries(expected: EntryMarks, shown: EntryMarks) -> list[str]:
    """Accounts whose entries are not what they must be."""
    wanted, found = expected.of_account, shown.of_account
    wrong = sorted(account for account in wanted.keys() | found.keys() if wanted.get(account) != found.get(account))
    told = [f"{account} has {found.get(account, (0, 0))[0]}, not {wanted.get(account, (0, 0))[0]}" for account in wrong]
    return [f"entries of {len(wrong)} accounts are not as expected: {', '.join(told[:_MOST_NAMED])}"] if wrong else []


def _named(what: str, places: Marks) -> list[str]:
    named = [f"{int(place) >> 48}@{int(place) & (1 << 48) - 1}" for place in places[:_MOST_NAMED]]
    return [f"{len(places)} {what}: partition@offset {', '.join(named)}"] if len(places) else []


def _drift(expected: Figures, shown: Figures) -> int:
    return _off(expected.balances, shown.balances, _remaining) + _off(expected.rollups, shown.rollups, _cost)


def _off(expected: Mapping[Any, Any], shown: Mapping[Any, Any], amount: Any) -> int:
    keys = expected.keys() | shown.keys()
    return sum(abs(amount(expected.get(key)) - amount(shown.get(key))) for key in keys)


def _remaining(totals: Any) -> int:
    return totals.remaining if totals else 0


def _cost(totals: Any) -> int:
    return totals.cost if totals else 0

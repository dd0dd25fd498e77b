"""The loads of the benchmark: who uses how much, and how many events of it are measured."""

from msgspec import Struct


class Load(Struct, frozen=True):
    """Seeded usage without duplicates, late or malformed events: everything in it is booked by every contestant.

    Events occurred within the last hour: a backlog that is worked off.
    """

    name: str
    accounts: int
    distribution: str
    events: int
    agents: int = 5
    exponent: float = 1.1


def zipf(events: int) -> Load:
    """A few accounts use most, as customers do."""
    return Load("zipf", 100_000, "zipf", events)


def worst(events: int) -> Load:
    """Nearly every event is a new row of every table."""
    return Load("worst", 1_000_000, "uniform", events)


def naive(events: int) -> Load:
    """Few enough accounts that a table of the slowest contestant stays small."""
    return Load("naive", 1_000, "zipf", events)

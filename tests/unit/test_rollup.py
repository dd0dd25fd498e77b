"""Rollup rows are absolute for their segment, and their segments sum to the usage."""

from copy import copy

from schemas.identifiers import Account, Agent, Node
from schemas.rollup import Rollup
from stream.rules.rollup import OpenRollups, RollupKey
from tests.unit.charge_rows import charge_row

ADA: RollupKey = (Account("acme"), 490_000, "api", Agent("ada"), Node("answer"))
BOB: RollupKey = (Account("acme"), 490_000, "api", Agent("bob"), Node("answer"))
TEN_MINUTES_MS = 600_000


def drained(rollups: OpenRollups) -> list[Rollup]:
    """What changed, as it is when it is encoded."""
    return [copy(row) for row in rollups.drain()]


def totals(row: Rollup) -> tuple[int, int, int, int]:
    """What a row counts."""
    return row.events, row.messages, row.quantity_micros, row.cost_microcredits


def test_a_row_counts_events_messages_quantity_and_cost_of_its_key() -> None:
    """Another agent is another row."""
    rollups = OpenRollups()
    rollups.add([charge_row(ADA, 1, 1_000_000, 20)], 1)
    rollups.add([charge_row(BOB, 0, 5, 7)], 1)
    rollups.add([charge_row(ADA, 0, 500_000, 10)], 1)
    ada, bob = drained(rollups)
    assert (ada.account, ada.hour, ada.channel, ada.agent, ada.node) == ADA
    assert (totals(ada), totals(bob)) == ((2, 1, 1_500_000, 30), (1, 0, 5, 7))


def test_a_row_is_written_once_a_checkpoint_with_all_that_it_counted() -> None:
    """Its segment stays that of its first checkpoint, its version is that of the last."""
    rollups = OpenRollups()
    for version in (7, 8):
        rollups.add([charge_row(ADA, 0, 1, 1)], version)
        rollups.add([charge_row(ADA, 0, 1, 1)], version)
        (row,) = drained(rollups)
        assert (row.segment, row.version, row.events) == (7, version, 2 * (version - 6))
    assert drained(rollups) == []


def test_a_row_that_was_forgotten_begins_anew_in_another_segment() -> None:
    """Two turns forget it; the sum over its segments is the usage."""
    rollups = OpenRollups(most_rows=1)
    written = []
    for version in (1, 2, 3):
        rollups.add([charge_row(ADA if version != 2 else BOB, 0, 1, 1)], version)
        written += drained(rollups)
        rollups.forget(0)
    rows = [row for row in written if row.agent == "ada"]
    assert [(row.segment, row.events) for row in rows] == [(1, 1), (3, 1)]


def test_a_row_that_is_used_again_in_time_goes_on() -> None:
    """One turn makes it old, use makes it young again, with its segment."""
    rollups = OpenRollups(most_rows=1)
    for version in (1, 2, 3):
        rollups.add([charge_row(ADA, 0, 1, 1)], version)
        (row,) = drained(rollups)
        rollups.forget(0)
    assert (row.segment, row.events, len(rollups)) == (1, 3, 1)


def test_rows_are_forgotten_by_number_or_by_age() -> None:
    """By age on the partition's clock, the first look at which only starts it."""
    by_number, by_age = OpenRollups(most_rows=2), OpenRollups(longest_ms=TEN_MINUTES_MS)
    for rollups in (by_number, by_age):
        rollups.add([charge_row(ADA, 0, 1, 1)], 1)
        rollups.drain()
        for clock_ms in (5, 5 + TEN_MINUTES_MS - 1):
            rollups.forget(clock_ms)
    assert len(by_number) == len(by_age) == 1
    by_age.forget(5 + TEN_MINUTES_MS)
    by_age.forget(5 + 2 * TEN_MINUTES_MS)
    assert len(by_age) == 0
    by_number.add([charge_row(BOB, 0, 1, 1)], 2)
    by_number.drain()
    for _ in range(3):
        by_number.forget(5)
    assert len(by_number) == 2


def test_a_row_that_grows_large_goes_on_in_another_segment() -> None:
    """The sum of its segments may pass 64 bits, a row never does; what an account is charged in all is bounded."""
    quantity_micros, cost = ((1 << 59) + 1) * 1_000_000, 0
    rollups = OpenRollups()
    written = []
    for version in (1, 2, 3):
        rollups.add([charge_row(ADA, 0, quantity_micros, cost)], version)
        written += drained(rollups)
        rollups.forget(0)
    assert [(row.segment, row.quantity_micros, row.cost_microcredits) for row in written] == [
        (1, quantity_micros, cost),
        (1, 2 * quantity_micros, cost),
        (3, quantity_micros, cost),
    ]


def test_memory_is_bounded_by_two_generations() -> None:
    """However many keys there are, at most twice the bound stay after a checkpoint."""
    rollups = OpenRollups(most_rows=100)
    for version in range(1, 60):
        for agent in range(50):
            rollups.add([charge_row((Account("acme"), version, "api", Agent(str(agent)), Node("answer")))], version)
        rollups.drain()
        rollups.forget(0)
        assert len(rollups) <= 200

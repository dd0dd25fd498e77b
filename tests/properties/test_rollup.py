"""Whatever is forgotten when, the segments of a key sum to its usage."""

from collections import Counter
from copy import copy

from hypothesis import given
from hypothesis import strategies as st

from schemas.identifiers import Account, Agent, Node
from schemas.rollup import Rollup
from stream.rules.rollup import OpenRollups, RollupKey
from tests.unit.charge_rows import charge_row

keys = st.integers(0, 5)
amounts = st.tuples(st.integers(0, 1), st.integers(1, 10**18), st.integers(0, 10**18))
checkpoints = st.lists(st.tuples(st.lists(st.tuples(keys, amounts), max_size=6), st.integers(0, 400_000)), max_size=25)


def key_of(number: int) -> RollupKey:
    """One of a few keys."""
    return (Account("acme"), number // 2, "api", Agent(f"agent-{number}"), Node("answer"))


@given(checkpoints, st.integers(1, 4))
def test_segments_sum_to_the_usage_and_never_meet(
    drawn: list[tuple[list[tuple[int, tuple[int, int, int]]], int]], most_rows: int
) -> None:
    """The last row of each (key, segment) counts; versions only rise within one, and no segment comes back."""
    rollups = OpenRollups(most_rows)
    written: dict[tuple[str, int], Rollup] = {}
    usage: Counter[tuple[str, str]] = Counter()
    newest: dict[str, int] = {}
    clock_ms = 1
    for version, (added, elapsed_ms) in enumerate(drawn, start=1):
        for number, (messages, quantity, cost) in added:
            rollups.add([charge_row(key_of(number), messages, quantity, cost)], version)
            for name, amount in (("events", 1), ("messages", messages), ("quantity", quantity), ("cost", cost)):
                usage[f"agent-{number}", name] += amount
        for row in map(copy, rollups.drain()):
            assert row.version == version >= row.segment >= newest.get(row.agent, 0)
            newest[row.agent] = row.segment
            written[row.agent, row.segment] = row
        clock_ms += elapsed_ms
        rollups.forget(clock_ms)
    summed: Counter[tuple[str, str]] = Counter()
    for row in written.values():
        summed[row.agent, "events"] += row.events
        summed[row.agent, "messages"] += row.messages
        summed[row.agent, "quantity"] += row.quantity_micros
        summed[row.agent, "cost"] += row.cost_microcredits
    assert +summed == +usage

"""What a checkpoint charged is rolled up partition by partition, and what is known of one may be lost at any time."""

from types import SimpleNamespace

import pytest

from schemas.charge import ChargeRow
from schemas.codec import decode_rollups, encode_packed
from schemas.identifiers import Account, Agent, Node
from schemas.rollup import Rollup
from schemas.topics import PACKED_BYTES
from stream.rollups import roller as rollers
from stream.rollups.roller import Correction, Job, Roller
from stream.rules.rollup import RollupKey
from tests.unit.charge_rows import ANSWER, charge_row

NOW_MS = 1_764_000_000_000
BOB: RollupKey = (Account("acme"), 490_000, "api", Agent("bob"), Node("answer"))


def charged(*charges: ChargeRow, version: int = 1) -> bytes:
    """A record of charges, as a checkpoint has it."""
    return encode_packed((5, version, 0, NOW_MS, charges))


def job(version: int, *, life: int = 1, partition: int = 5, corrections: list[Correction] | None = None) -> Job:
    """A checkpoint of a partition."""
    return Job(partition, life, version, NOW_MS, corrections or [])


def rows(values: list[bytes]) -> list[Rollup]:
    """The rows of records, in order."""
    return [row for value in values for row in decode_rollups(value).rows]


def test_rows_carry_partition_and_checkpoint() -> None:
    """Of the batch; each row has its own segment and version."""
    (value,) = Roller().roll_up(job(3), [charged(charge_row(ANSWER, 1, 5_000_007, 20), version=3)])
    batch = decode_rollups(value)
    assert (batch.partition, batch.version, batch.rows) == (5, 3, [Rollup(*ANSWER, 3, 1, 1, 5, 7, 20, 3)])


def test_rows_go_on_from_checkpoint_to_checkpoint() -> None:
    """Absolute for their segment, which is the checkpoint that first wrote them."""
    roller = Roller()
    roller.roll_up(job(1), [charged(charge_row(cost_microcredits=20))])
    (row,) = rows(roller.roll_up(job(2), [charged(charge_row(cost_microcredits=5))]))
    assert (row.segment, row.version, row.events, row.cost_microcredits) == (1, 2, 2, 25)


def test_what_events_cost_more_is_counted_without_an_event() -> None:
    """Of a key with a row, and of one without."""
    roller = Roller()
    corrections = [(ANSWER, -3), (BOB, 4)]
    found = rows(roller.roll_up(job(1, corrections=corrections), [charged(charge_row(cost_microcredits=20))]))
    assert [(row.agent, row.events, row.cost_microcredits) for row in found] == [("ada", 1, 17), ("bob", 0, 4)]


@pytest.mark.parametrize("other", [job(2, life=2), job(2, partition=6)])
def test_another_partition_or_another_life_of_one_begins_anew(other: Job) -> None:
    """What the life before had charged may never have been written."""
    roller = Roller()
    roller.roll_up(job(1), [charged(charge_row())])
    (row,) = rows(roller.roll_up(other, [charged(charge_row())]))
    assert (row.segment, row.events) == (2, 1)


def test_a_partition_that_is_not_used_for_ten_minutes_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be another worker's by now."""
    roller, now = Roller(), [0.0]
    monkeypatch.setattr(rollers, "time", SimpleNamespace(monotonic=lambda: now[0]))
    roller.roll_up(job(1), [charged(charge_row())])
    now[0] = 601.0
    roller.roll_up(job(1, partition=6), [charged(charge_row())])
    assert roller._open.keys() == {6}


def test_records_are_at_most_512_kib() -> None:
    """With names as long as names may be, in the characters that take the most bytes."""
    longest = "\U0001f600" * 256
    keys: list[RollupKey] = [(Account(longest), hour, longest, Agent(longest), Node(longest)) for hour in range(400)]
    values = Roller().roll_up(job(1), [charged(*(charge_row(key) for key in keys))])
    assert max(map(len, values)) <= PACKED_BYTES
    assert [row.hour for row in rows(values)] == list(range(400))
    # Not one record a row either: packing is what makes them cheap.
    assert len(values) < 8

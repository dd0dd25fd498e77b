"""What a run reads and compares, by what is kept of the log and what was asked; and how drift is told."""

from typing import Any

import pytest

from schemas.progress import PROGRESS_KEY, BookedProgress, decode_progress
from schemas.topics import TopicNames
from sinks.reconcile.drift import KINDS, OTHER_ACCOUNTS, Difference, Drift, differing
from sinks.reconcile.plan import Asked, Plan, Planner
from sinks.reconcile.report import FORMATS, report_of
from sinks.reconcile.run import PartitionResult
from sinks.reconcile.settings import ReconcileSettings
from sinks.reconcile.shown import ShownRollup
from sinks.reconcile.totals import compare_rollups
from stream.engine import progress as engine_progress
from stream.engine.progress import Progress

TOPICS = TopicNames()
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BEGAN_MS = 20_000 * DAY_MS
"""A record is appended each hour from then on: offset 30 six hours into the second day."""
BOOKED = 100
EVERYTHING = Asked()


class HourlyLog:
    """A log of both inputs with a record an hour, of which what is before `kept` was deleted."""

    def __init__(self, kept: int) -> None:
        self._kept = {TOPICS.usage_events: kept, TOPICS.commands: 0}

    def bounds(self, topic: str, _partition: int) -> tuple[int, int]:
        return self._kept[topic], BOOKED + 5

    def offset_at(self, topic: str, _partition: int, appended_ms: int, otherwise: int) -> int:
        found = max(self._kept[topic], -(-(appended_ms - BEGAN_MS) // HOUR_MS))
        return found if found < BOOKED + 5 else otherwise

    def records(self, _topic: str, _partition: int, first: int, end: int) -> Any:
        class Record:
            def timestamp(self) -> tuple[int, int]:
                return 2, BEGAN_MS + first * HOUR_MS

        return (Record() for _ in range(first, end))


class View:
    """A ClickHouse that has charges of an older log, or none."""

    def __init__(self, *, has_older: bool) -> None:
        self._has_older = has_older

    def has_older_charges(self, _since_ms: int) -> bool:
        return self._has_older


def plan(asked: Asked = EVERYTHING, *, kept: int = 0, has_older: bool = False) -> Plan:
    """A plan for partition 3, booked to offset 100, with a dedup window of a day."""
    progress = BookedProgress(1, 1, {TOPICS.usage_events: BOOKED, TOPICS.commands: BOOKED}, at(BOOKED - 1))
    log: Any = HourlyLog(kept)
    view: Any = View(has_older=has_older)
    return Planner(log, TOPICS, ReconcileSettings(), asked).plan(3, progress, view)


def at(offset: int) -> int:
    """When a record was appended."""
    return BEGAN_MS + offset * HOUR_MS


FIRST_HOUR = BEGAN_MS // HOUR_MS


@pytest.mark.parametrize(
    ("asked", "kept", "usage", "hours", "whole", "reaches"),
    [
        (Asked(), 0, (0, 0, 100, 100), (0, 2**32 // 3600), True, True),
        (Asked(), 10, (10, 34, 100, 100), (FIRST_HOUR + 35, 2**32 // 3600), False, True),
        (Asked(at(50)), 0, (26, 50, 100, 100), (FIRST_HOUR + 51, 2**32 // 3600), False, True),
        (Asked(at(50)), 40, (40, 64, 100, 100), (FIRST_HOUR + 65, 2**32 // 3600), False, True),
        (Asked(None, at(60)), 0, (0, 0, 60, 84), (0, FIRST_HOUR + 60), True, False),
        (Asked(at(50), at(60)), 0, (26, 50, 60, 84), (FIRST_HOUR + 51, FIRST_HOUR + 60), False, False),
        (Asked(at(50), at(90)), 0, (26, 50, 90, 100), (FIRST_HOUR + 51, FIRST_HOUR + 90), False, True),
        (Asked(at(5), at(90)), 0, (0, 5, 90, 100), (FIRST_HOUR + 6, FIRST_HOUR + 90), True, True),
        (Asked(at(200)), 0, (100, 100, 100, 100), (FIRST_HOUR + 201, 2**32 // 3600), False, True),
    ],
)
def test_what_is_compared_is_what_can_be_known(
    asked: Asked, kept: int, usage: tuple[int, ...], hours: tuple[int, int], whole: bool, reaches: bool
) -> None:
    """Each row: what was asked and kept, and the offsets read, compared, not compared any more, not read any more."""
    made = plan(asked, kept=kept)
    assert tuple(made.usage[1:5]) == usage
    assert (made.first_hour, made.end_hour) == hours
    assert (made.is_whole, made.reaches_progress) == (whole, reaches)


def test_a_log_that_was_cut_is_said_with_the_time_from_which_it_is_compared() -> None:
    """A log that was made again over old charges is one, too."""
    assert plan().notes == ()
    assert "is kept from offset 10, 2024-10-04T10:00:00Z, on" in plan(kept=10).notes[0]
    assert "charges are compared from 2024-10-05T10:00:00Z on" in plan(kept=10).notes[0]
    again = plan(has_older=True)
    assert (again.is_whole, again.usage.compared) == (False, 24)
    assert plan(Asked(at(50)), kept=10).notes == ()


def test_where_nothing_is_kept_nothing_is_compared_but_sums() -> None:
    """A partition that was silent for longer than its retention: its hours are not taken for empty ones."""
    made = plan(kept=BOOKED)
    assert (made.usage.first, made.usage.compared, made.usage.stop) == (BOOKED, BOOKED, BOOKED)
    assert made.usage.since_ms == at(BOOKED - 1)
    assert made.first_hour > FIRST_HOUR + BOOKED + 23
    assert (made.is_whole, made.reaches_progress) == (False, True)


def rollup(events: int, version: int) -> ShownRollup:
    """A key's sums as ClickHouse shows them."""
    return ShownRollup((events, 0, events * 1_000_000, 0), version)


@pytest.mark.parametrize(
    ("shown", "rows", "changed", "what"),
    [
        (rollup(2, 10), 1, 0, []),
        (rollup(3, 10), 1, 0, ["differs"]),
        (rollup(3, 11), 0, 1, []),
        (rollup(3, 12), 0, 1, []),
        (rollup(3, 13), 1, 0, ["differs"]),
        (None, 1, 0, ["missing"]),
    ],
)
def test_a_rollup_is_left_to_the_next_run_only_if_a_later_checkpoint_wrote_it(
    shown: ShownRollup | None, rows: int, changed: int, what: list[str]
) -> None:
    """Compared at version 10, of a partition that has reached 12 since."""
    drift, key = Drift(5), ("acme", 7, "api", "ada", "answer")
    found = compare_rollups({key: [2, 0, 2_000_000, 0]}, {key: shown} if shown else {}, (10, 12), set(), 0, drift)
    assert found == (rows, changed)
    assert [each.what.partition(":")[0] for each in drift.first] == what


def test_progress_is_read_as_the_engine_writes_it() -> None:
    """Key, fields and version."""
    written = Progress(checkpoint=7, incarnation=9, offsets={"usage.events": 5}, clock_ms=11, claim="c")
    read = decode_progress(engine_progress.encode(written))
    assert (read.checkpoint, read.incarnation, read.offsets, read.clock_ms) == (7, 9, {"usage.events": 5}, 11)
    assert read.version == written.version
    assert PROGRESS_KEY == engine_progress.PROGRESS_KEY


def difference(account: str, kind: str = "charges") -> Difference:
    """One that is missing."""
    return Difference(kind, account, 0, "missing", "credits 1.5", "no row", "usage.events", 42, "event-1")


def test_drift_is_counted_in_full_and_kept_in_part() -> None:
    """Accounts beyond the ten thousandth are counted together."""
    drift = Drift(2)
    for number in range(10_005):
        drift.add(difference(f"account-{number}"))
    drift.add(difference("account-0", "rollups"))
    assert drift.counts == {**dict.fromkeys(KINDS, 0), "charges": 10_005, "rollups": 1}
    assert drift.accounts["charges"][OTHER_ACCOUNTS] == 5
    assert [(each.kind, each.account) for each in drift.first] == [
        ("charges", "account-0"),
        ("charges", "account-1"),
        ("rollups", "account-0"),
    ]


def test_fields_that_differ_are_told_in_a_bounded_line() -> None:
    """As they must be, and as they are."""
    assert differing({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ("b 2", "b 3")
    assert differing({"a": 1}, {"a": 1}) == ("", "")
    assert max(map(len, differing({"a": "x" * 5_000}, {}))) <= 401


def test_a_report_names_what_differs_with_its_place() -> None:
    """For people and for programs."""
    drift = Drift(20)
    result = PartitionResult(partition=3, version=1, from_ms=at(0), until_ms=at(5), records=9, changed_rollups=2)
    clean = FORMATS["table"](report_of("run", [result], drift))
    assert clean.endswith("no drift")
    assert "2 rollups and balances changed meanwhile: the next run compares them" in clean
    drift.add(difference("acme"))
    told = FORMATS["table"](report_of("run", [result], drift))
    assert "charges: account acme usage.events/0/42 id event-1 missing: expected credits 1.5; found no row" in told
    assert told.endswith("drift: 1 in charges (priced events in ClickHouse, by their offset)")
    assert '"charges": {\n      "acme": 1' in FORMATS["json"](report_of("run", [result], drift))

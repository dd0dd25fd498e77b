"""Which part of a partition's log is read, and which of it is compared: what is said of a run must be what it did."""

from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import Struct

from schemas.progress import BookedProgress
from schemas.topics import TopicNames
from sinks.reconcile.books import COMMANDS_REMEMBERED_MS
from sinks.reconcile.log import Log
from sinks.reconcile.settings import FUTURE_TOLERANCE_MS, ReconcileSettings
from sinks.reconcile.shown import ClickHouseView

_HOUR_MS = 3_600_000
_LAST_HOUR = 2**32 // 3_600
"""ClickHouse's DateTime ends there."""


class Asked(NamedTuple):
    """What to compare: append times in milliseconds, the end not included; an account, or all."""

    from_ms: int | None = None
    until_ms: int | None = None
    account: str = ""


class Span(NamedTuple):
    """Offsets of an input: read from `first` to `stop`, compared from `compared` to `end`; no end is included.

    The first record was appended at `since_ms`: what ClickHouse has from before is of another log.
    """

    topic: str
    first: int
    compared: int
    end: int
    stop: int
    since_ms: int


class Plan(Struct, frozen=True):
    """What is done for one partition.

    `is_whole`: the log goes back to where the books began. `reaches_progress`: it is read as far as it is booked.
    """

    partition: int
    usage: Span
    commands: Span
    compared_from_ms: int
    first_hour: int
    end_hour: int
    is_whole: bool
    reaches_progress: bool
    notes: tuple[str, ...]


class Planner:
    """Plans partitions of one cluster."""

    def __init__(self, log: Log, topics: TopicNames, settings: ReconcileSettings, asked: Asked) -> None:
        self._log = log
        self._topics = topics
        self._settings = settings
        self._asked = asked

    def plan(self, partition: int, progress: BookedProgress, view: ClickHouseView) -> Plan:
        """What can be compared of a partition that is booked so far."""
        notes: list[str] = []
        topic = self._topics.usage_events
        kept, _ = self._log.bounds(topic, partition)
        booked = max(progress.offsets.get(topic, 0), kept)
        stop_ms = None if self._asked.until_ms is None else self._asked.until_ms + self._settings.horizon_ms
        first = self._first(topic, partition, kept, booked)
        since_ms = self._appended_ms(topic, partition, first, booked, progress)
        commands = self._commands(partition, progress, stop_ms, notes)
        is_cut = first == kept and (kept > 0 or view.has_older_charges(since_ms))
        compared, compared_from_ms = self._compared(partition, first, booked, since_ms, is_cut, notes)
        stop = booked if stop_ms is None else min(booked, self._log.offset_at(topic, partition, stop_ms, booked))
        usage = Span(topic, first, compared, min(stop, self._until(topic, partition, booked)), stop, since_ms)
        is_whole = first == 0 and not is_cut and commands.first == 0
        return Plan(
            partition,
            usage,
            commands,
            compared_from_ms,
            first_hour=0 if is_whole and compared == 0 else _hour_after(compared_from_ms),
            end_hour=_LAST_HOUR if self._asked.until_ms is None else self._asked.until_ms // _HOUR_MS,
            is_whole=is_whole,
            reaches_progress=stop == booked,
            notes=tuple(notes),
        )

    def _first(self, topic: str, partition: int, kept: int, booked: int) -> int:
        """Ids are known from a dedup window before what is compared."""
        if self._asked.from_ms is None:
            return kept
        warm_ms = max(0, self._asked.from_ms - self._settings.window_ms)
        return max(kept, min(booked, self._log.offset_at(topic, partition, warm_ms, booked)))

    def _compared(
        self, partition: int, first: int, booked: int, since_ms: int, is_cut: bool, notes: list[str]
    ) -> tuple[int, int]:
        topic, asked_ms = self._topics.usage_events, self._asked.from_ms
        known_from_ms = since_ms + self._settings.window_ms if is_cut else since_ms
        from_ms = known_from_ms if asked_ms is None else max(asked_ms, known_from_ms if is_cut else 0)
        if is_cut and (asked_ms is None or asked_ms < known_from_ms):
            notes.append(
                f"{topic}/{partition} is kept from offset {first}, {shown_time(since_ms)}, on: the ids of the "
                f"{self._settings.dedup_window_hours} h after that are read, and charges are compared from "
                f"{shown_time(known_from_ms)} on"
            )
        if asked_ms is None and not is_cut:
            return first, from_ms
        return max(first, min(booked, self._log.offset_at(topic, partition, from_ms, booked))), from_ms

    def _commands(self, partition: int, progress: BookedProgress, stop_ms: int | None, notes: list[str]) -> Span:
        """Commands are few, and remembered for as long as they are kept: all of them are read."""
        topic = self._topics.commands
        kept, _ = self._log.bounds(topic, partition)
        booked = max(progress.offsets.get(topic, 0), kept)
        compared = kept
        since_ms = self._appended_ms(topic, partition, kept, booked, progress)
        if kept > 0:
            known_ms = since_ms + COMMANDS_REMEMBERED_MS
            compared = self._log.offset_at(topic, partition, known_ms, booked)
            notes.append(
                f"{topic}/{partition} is kept from offset {kept} on: commands are compared from "
                f"{shown_time(known_ms)} on"
            )
        if self._asked.from_ms is not None:
            compared = max(compared, self._log.offset_at(topic, partition, self._asked.from_ms, booked))
        stop = booked if stop_ms is None else min(booked, self._log.offset_at(topic, partition, stop_ms, booked))
        end = min(stop, self._until(topic, partition, booked))
        return Span(topic, kept, min(compared, booked), end, stop, since_ms)

    def _until(self, topic: str, partition: int, booked: int) -> int:
        until_ms = self._asked.until_ms
        return booked if until_ms is None else min(booked, self._log.offset_at(topic, partition, until_ms, booked))

    def _appended_ms(self, topic: str, partition: int, first: int, end: int, progress: BookedProgress) -> int:
        """When the first record was appended; where none is kept, when the last one was booked."""
        records = self._log.records(topic, partition, first, end)
        record = next(records, None)
        records.close()
        return progress.clock_ms if record is None else int(record.timestamp()[1])


def shown_time(ms: int) -> str:
    """Milliseconds since 1970 in RFC 3339."""
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _hour_after(ms: int) -> int:
    """The first hour of which no event can have been appended before that time."""
    return -(-(ms + FUTURE_TOLERANCE_MS) // _HOUR_MS)

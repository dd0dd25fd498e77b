"""Shows what a run found: tables for reading, or JSON for programs."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from sinks.answers import as_table
from sinks.query import Answer, Value
from sinks.reconcile.drift import KINDS, Difference, Drift
from sinks.reconcile.plan import shown_time
from sinks.reconcile.run import PartitionResult

_ACCOUNTS_SHOWN = 20


class Report(Struct, frozen=True):
    """A whole run, as JSON has it; `accounts` counts rows that differ, by kind and account."""

    run: str
    drift: int
    kinds: dict[str, int]
    accounts: dict[str, dict[str, int]]
    first: list[Difference]
    partitions: list[PartitionResult]


def report_of(run: str, results: Sequence[PartitionResult], drift: Drift) -> Report:
    """Everything that was found."""
    accounts = {kind: dict(counted.most_common()) for kind, counted in drift.accounts.items() if counted}
    return Report(run, drift.total, drift.counts, accounts, drift.first, list(results))


def _as_json(report: Report) -> str:
    return msgspec.json.format(msgspec.json.encode(report)).decode()


def _as_table(report: Report) -> str:
    parts = ["\n".join(as_table(_partitions(report.partitions)))]
    notes = [note for result in report.partitions for note in result.notes]
    changed = sum(result.changed_rollups + result.changed_balances for result in report.partitions)
    if changed:
        notes.append(f"{changed} rollups and balances changed meanwhile: the next run compares them")
    if notes:
        parts.append("\n".join(notes))
    if not report.drift:
        return "\n\n".join([*parts, "no drift"])
    counted: list[list[Value]] = [
        [kind, account or "(unknown)", rows]
        for kind, of_kind in report.accounts.items()
        for account, rows in list(of_kind.items())[:_ACCOUNTS_SHOWN]
    ]
    parts.append("\n".join(as_table(Answer(("drift in", "account", "rows"), counted))))
    hidden = [
        f"{kind}: {len(of_kind) - _ACCOUNTS_SHOWN} more accounts"
        for kind, of_kind in report.accounts.items()
        if len(of_kind) > _ACCOUNTS_SHOWN
    ]
    first = [_line(difference) for difference in report.first]
    total = ", ".join(f"{rows} in {kind} ({KINDS[kind]})" for kind, rows in report.kinds.items() if rows)
    return "\n\n".join([*parts, *hidden, "\n".join(first), f"drift: {total}"])


def _partitions(results: Sequence[PartitionResult]) -> Answer:
    columns = (
        "partition",
        "from",
        "until",
        "records",
        "charges",
        "duplicates",
        "dead letters",
        "rollups",
        "balances",
        "drift",
    )
    rows: list[list[Value]] = [
        [
            result.partition,
            shown_time(result.from_ms) if result.version else "-",
            shown_time(result.until_ms) if result.version else "-",
            result.records,
            result.charges,
            result.duplicates,
            result.dead_letters,
            result.rollups,
            result.balances,
            sum(result.drift.values()),
        ]
        for result in results
    ]
    return Answer(columns, rows)


def _line(difference: Difference) -> str:
    place = f" {difference.topic}/{difference.partition}/{difference.offset}" if difference.offset is not None else ""
    event = f" id {difference.id}" if difference.id else ""
    return (
        f"{difference.kind}: account {difference.account or '(unknown)'}{place}{event} {difference.what}: "
        f"expected {difference.expected}; found {difference.found}"
    )


FORMATS: dict[str, Callable[[Report], str]] = {"table": _as_table, "json": _as_json}

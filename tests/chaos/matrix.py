"""The crash matrix: a row per fault, as text and as JSON."""

from typing import Any

from msgspec import Struct

_HEADER = ("fault", "sent", "accepted", "lost", "doubled", "drift", "recovered", "restarts", "MiB", "took")
_WIDTHS = (30, 9, 9, 5, 8, 6, 10, 9, 6, 7)


class Row(Struct, kw_only=True):
    """What one fault did. `drift` is in microcredits; `restarts` are of processes that ended by themselves."""

    fault: str
    events: int = 0
    accepted: int = 0
    lost: int = 0
    doubled: int = 0
    drift: int = 0
    recover_seconds: float | None = None
    refused_seconds: float | None = None
    """For faults that only a person may mend: after how long the system said so, and booked nothing more."""
    restarts: int = 0
    memory_mib: int = 0
    took_seconds: float = 0.0
    problems: list[str] = []

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled or off, and the system came back, or refused as it should."""
        ended = self.recover_seconds is not None or self.refused_seconds is not None
        return ended and not (self.lost or self.doubled or self.drift or self.problems)


def header() -> str:
    return _line(_HEADER)


def line(row: Row) -> str:
    """A row of the matrix; its problems follow it."""
    recovered = f"{row.recover_seconds:.1f} s" if row.recover_seconds is not None else "never"
    if row.refused_seconds is not None:
        recovered = "refused"
    figures = (row.events, row.accepted, row.lost, row.doubled, row.drift)
    shown = (row.fault, *map(str, figures), recovered, row.restarts, row.memory_mib, f"{row.took_seconds:.0f} s")
    return "\n".join([_line(shown), *(f"    {problem}" for problem in row.problems)])


def total(rows: list[Row]) -> str:
    """The last line of the matrix."""
    sums = [sum(getattr(row, name) for row in rows) for name in ("events", "accepted", "lost", "doubled", "drift")]
    failed = [row.fault for row in rows if not row.passed]
    took = sum(row.took_seconds for row in rows)
    ended = f"failed: {', '.join(failed)}" if failed else "every fault was survived"
    shown = (f"{len(rows)} faults", *map(str, sums), "", "", "", f"{took:.0f} s")
    return f"{_line(shown)}\n{ended}"


def results(rows: list[Row]) -> dict[str, Any]:
    """What is written to chaos-results.json."""
    sums = {
        name: sum(getattr(row, name) for row in rows) for name in ("events", "accepted", "lost", "doubled", "drift")
    }
    return {
        **sums,
        "passed": all(row.passed for row in rows),
        "faults": {
            row.fault: {
                "events": row.events,
                "accepted": row.accepted,
                "lost": row.lost,
                "doubled": row.doubled,
                "drift": row.drift,
                "recover_seconds": _rounded(row.recover_seconds),
                "refused_seconds": _rounded(row.refused_seconds),
                "restarts": row.restarts,
                "memory_mib": row.memory_mib,
                "problems": row.problems,
            }
            for row in rows
        },
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _line(cells: tuple[object, ...]) -> str:
    first, *rest = zip(cells, _WIDTHS, strict=True)
    return f"{first[0]!s:<{first[1]}}" + "".join(f"{cell!s:>{width}}" for cell, width in rest)

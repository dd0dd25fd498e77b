"""The crash matrix: a row per fault, as a person reads it."""

from msgspec import Struct

_HEADER = ("fault", "sent", "accepted", "lost", "doubled", "drift", "recovered", "restarts", "MiB", "took")
_WIDTHS = (30, 11, 11, 5, 8, 6, 10, 9, 6, 7)


class Row(Struct, kw_only=True):
    """What one fault did. `drift` is in microcredits; `restarts` are of processes that ended by themselves."""

    fault: str
    events: int = 0
    accepted: int = 0
    lost: int = 0
    doubled: int = 0
    drift: int = 0
    recover_seconds: float | None = None
    within_seconds: float | None = None
    """The longest recovery that is promised."""
    refused_seconds: float | None = None
    """For faults that only a person may mend: after how long the system said so, and booked nothing more."""
    restarts: int = 0
    memory_mib: int = 0
    took_seconds: float = 0.0
    injected: list[str] = []
    """What shows that the fault happened."""
    problems: list[str] = []

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled or off, and the system came back, or refused as it should."""
        return not self.failures()

    def failures(self) -> list[str]:
        """Why it is not."""
        found = list(self.problems)
        if self.recover_seconds is None and self.refused_seconds is None:
            found.append("it did not come back")
        elif not self.injected:
            found.append("nothing shows that the fault happened")
        if self.within_seconds is not None and (self.recover_seconds or 0.0) > self.within_seconds:
            found.append(f"it came back later than within {self.within_seconds:.0f} s")
        if self.lost or self.doubled or self.drift:
            found.append("figures are not exact")
        return found


def header() -> str:
    return _line(_HEADER)


def line(row: Row) -> str:
    """A row of the matrix; what is wrong follows it."""
    recovered = f"{row.recover_seconds:.1f} s" if row.recover_seconds is not None else "never"
    if row.refused_seconds is not None:
        recovered = "refused"
    figures = (row.events, row.accepted, row.lost, row.doubled, row.drift)
    shown = (row.fault, *map(str, figures), recovered, row.restarts, row.memory_mib, f"{row.took_seconds:.0f} s")
    return "\n".join([_line(shown), *(f"    {problem}" for problem in row.failures())])


def total(rows: list[Row]) -> str:
    """The last line of the matrix."""
    sums = [sum(getattr(row, name) for row in rows) for name in ("events", "accepted", "lost", "doubled", "drift")]
    failed = [row.fault for row in rows if not row.passed]
    took = sum(row.took_seconds for row in rows)
    ended = f"failed: {', '.join(failed)}" if failed else "every fault was survived"
    shown = (f"{len(rows)} faults", *map(str, sums), "", "", "", f"{took:.0f} s")
    return f"{_line(shown)}\n{ended}"


def _line(cells: tuple[object, ...]) -> str:
    first, *rest = zip(cells, _WIDTHS, strict=True)
    return f"{first[0]!s:<{first[1]}}" + "".join(f"{cell!s:>{width}}" for cell, width in rest)

"""Sums what is priced anew, by account, for whoever decides about it."""

from collections import Counter
from collections.abc import Iterable

from schemas.credits import format_credits
from stream.reprice.priced import LeftOut, Repriced
from stream.simulate.simulation import OTHERS, Row

_MOST_ROWS = 1_000_000
_MOST_REASONS = 1_000


class Preview:
    """Events, what they cost now and will cost, by account; what is left out, by its reason."""

    def __init__(self, most_rows: int = _MOST_ROWS) -> None:
        self.rows: dict[str, Row] = {}
        self.left_out: Counter[str] = Counter()
        self.unpriced = 0
        self._most_rows = most_rows

    @property
    def events(self) -> int:
        """How many commands there will be."""
        return sum(row.charges for row in self.rows.values())

    def take(self, found: Iterable[Repriced | LeftOut]) -> None:
        """Sum all of it."""
        rows, left_out = self.rows, self.left_out
        for each in found:
            if isinstance(each, LeftOut):
                left_out[each.why if each.why in left_out or len(left_out) < _MOST_REASONS else OTHERS] += 1
                self.unpriced += each.is_unpriced
                continue
            account: str = each.charge.account
            key = account if account in rows or len(rows) < self._most_rows else OTHERS
            rows.setdefault(key, Row()).add(Row(1, each.recorded_microcredits, each.new_microcredits))

    def lines(self) -> list[str]:
        """A table with a total, what cost most first; then what is left out."""
        total = Row()
        for row in self.rows.values():
            total.add(row)
        ordered = sorted(self.rows.items(), key=lambda item: (-item[1].recorded, item[0]))
        cells = [("account", "events", "recorded", "new", "difference")]
        cells += [_cells(name if name.isprintable() else repr(name), row) for name, row in ordered]
        cells.append(_cells("total", total))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        shown = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells]
        return shown + [f"left out: {count} events: {why}" for why, count in sorted(self.left_out.items())]


def _cells(name: str, row: Row) -> tuple[str, str, str, str, str]:
    return name, str(row.charges), *map(format_credits, (row.recorded, row.simulated, row.difference))  # type: ignore[return-value]

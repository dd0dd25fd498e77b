"""Shows what usage cost and would have cost: as a table, CSV or JSON; credits as exact decimal text."""

import csv
import io
import json
from collections.abc import Callable
from typing import NamedTuple

from schemas.credits import format_credits
from stream.simulate.chosen import By
from stream.simulate.simulation import Row, Simulation

_COLUMNS = ("charges", "recorded", "simulated", "difference", "change_percent")


class Answer(NamedTuple):
    """A simulation, where its charges are from, and what else there is to know about them."""

    simulation: Simulation
    by: By
    source: str
    notes: tuple[str, ...] = ()


def as_table(answer: Answer) -> str:
    """Columns aligned for reading, a total, what the card does not price, and the notes."""
    named = [(key if key.isprintable() else repr(key), row) for key, row in _rows(answer.simulation)]
    lines = [(answer.by, *_COLUMNS), *((name, *_cells(row)) for name, row in named)]
    lines.append(("total", *_cells(answer.simulation.total())))
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    shown = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
    return "\n".join([*shown, *left_out_lines(answer.simulation), answer.source, *answer.notes])


def as_csv(answer: Answer) -> str:
    """A header and a line per row, without the total."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([answer.by, *_COLUMNS])
    writer.writerows([key, *_cells(row)] for key, row in _rows(answer.simulation))
    return text.getvalue().rstrip("\n")


def as_json(answer: Answer) -> str:
    """One object with everything."""
    simulation = answer.simulation
    told = {
        "line": simulation.card.line,
        "rate_card": simulation.card.version,
        "source": answer.source,
        "notes": list(answer.notes),
        "rows": [{answer.by: key, **_object(row)} for key, row in _rows(simulation)],
        "total": _object(simulation.total()),
        "left_out": [
            {"node": node, "why": why, "charges": found.charges, "recorded": format_credits(found.recorded)}
            for (node, why), found in sorted(simulation.left_out.items())
        ],
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


FORMATS: dict[str, Callable[[Answer], str]] = {"table": as_table, "csv": as_csv, "json": as_json}


def left_out_lines(simulation: Simulation) -> list[str]:
    """What the card does not price, a line each."""
    return [
        f"left out: {found.charges} charges of {node!r}, recorded {format_credits(found.recorded)}: {why}"
        for (node, why), found in sorted(simulation.left_out.items())
    ]


def _rows(simulation: Simulation) -> list[tuple[str, Row]]:
    """What cost most first."""
    return sorted(simulation.rows.items(), key=lambda item: (-item[1].recorded, item[0]))


def _cells(row: Row) -> tuple[str, ...]:
    amounts = map(format_credits, (row.recorded, row.simulated, row.difference))
    return str(row.charges), *amounts, _percent(row)


def _object(row: Row) -> dict[str, object]:
    return dict(zip(_COLUMNS, (row.charges, *_cells(row)[1:]), strict=True))


def _percent(row: Row) -> str:
    """The difference by what was recorded, in percent, rounded half to even to two decimals; none of nothing."""
    if not row.recorded:
        return ""
    hundredths, rest = divmod(abs(row.difference) * 10_000, row.recorded)
    hundredths += 2 * rest > row.recorded or (2 * rest == row.recorded and hundredths & 1)
    sign = "-" if row.difference < 0 and hundredths else ""
    return f"{sign}{hundredths // 100}.{hundredths % 100:02d}"

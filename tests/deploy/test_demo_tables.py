"""The demo's tables: answers of queries as they are shown."""

import json

import pytest

from deploy.local.demo_tables import as_table, indented

ROWS = [
    {"lot": "refill:42c47315-d40e-559a-8a24-349e2cf12cbc", "left_credits": "65.0975", "at": "2026-11-30T07:56:13.250Z"},
    {"lot": "welcome", "left_credits": "-5", "at": None, "late": True},
]
SHOWN = {
    "nothing": ([], ("lot",), ["(no rows)"]),
    "a time, to the second": (ROWS[:1], ("at",), ["at", "-------------------", "2026-11-30 07:56:13"]),
    "numbers to the right, long names cut": (
        ROWS,
        ("lot", "left_credits"),
        [
            "lot                     left",
            "-------------------  -------",
            "refill:42c47315-d4…  65.0975",
            "welcome                   -5",
        ],
    ),
    "yes or no": (ROWS[1:], ("late", "at"), ["late  at", "----  --", "yes"]),
}


@pytest.mark.parametrize(("rows", "columns", "shown"), SHOWN.values(), ids=SHOWN.keys())
def test_a_table_has_the_columns_that_were_asked_for(
    rows: list[dict[str, object]], columns: tuple[str, ...], shown: list[str]
) -> None:
    """Amounts of credits are named without their unit."""
    assert as_table(json.dumps(rows), columns).splitlines() == shown


def test_tables_stand_below_their_headings() -> None:
    """Each line by two spaces."""
    assert indented("a\nb") == "  a\n  b"

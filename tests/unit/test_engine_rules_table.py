"""The engine's table of rules is whole: seventeen rules, each kept by files and shown by tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.documents import ROOT

RULES = 17
ENGINE = ROOT / "stream/engine"


class Rule(NamedTuple):
    """A row of the table."""

    number: int
    says: str
    files: list[str]
    tests: list[str]


def table() -> list[Rule]:
    """Its rows."""
    cell = r" (.+?) \|"
    rows = re.findall(rf"^\| (\d+) \|{cell}{cell}{cell}$", (ENGINE / "README.md").read_text(encoding="utf-8"), re.M)
    return [Rule(int(number), says, _names(files), _names(tests)) for number, says, files, tests in rows]


def _names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def functions(file: Path) -> set[str]:
    """The tests of a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def file_of(test: str) -> Path:
    """Names without a folder are of unit tests."""
    name = test.partition("::")[0]
    return ROOT / name if "/" in name else ROOT / "tests/unit" / name


def test_the_table_has_the_seventeen_rules_in_their_order() -> None:
    """Each says what it is in bold."""
    assert [rule.number for rule in table()] == list(range(1, RULES + 1))
    assert [rule.number for rule in table() if not re.match(r"\*\*[^*]+\*\*", rule.says)] == []


@pytest.mark.parametrize("rule", table(), ids=lambda rule: str(rule.number))
def test_a_rule_names_files_and_tests_that_exist(rule: Rule) -> None:
    """At least one test by its name, one of them on a real broker."""
    folders = (ENGINE, ROOT / "stream", ROOT)
    assert rule.files
    assert [name for name in rule.files if not any((folder / name).exists() for folder in folders)] == []
    assert [test for test in rule.tests if not file_of(test).exists()] == []
    named = [test for test in rule.tests if "::" in test]
    assert [test for test in named if test.partition("::")[2] not in functions(file_of(test))] == []
    assert [test for test in named if f"::test_rule_{rule.number}_" in test]


def test_a_test_that_is_called_by_a_rule_says_so() -> None:
    """`test_rule_N_…` is of a rule that there is, and its docstring names that rule first."""
    found = 0
    for file in (ROOT / "tests/integration").glob("test_engine_rules_*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            number = re.match(r"test_rule_(\d+)_", node.name) if isinstance(node, ast.FunctionDef) else None
            if number is None or not isinstance(node, ast.FunctionDef):
                continue
            found += 1
            assert 1 <= int(number[1]) <= RULES, node.name
            assert (ast.get_docstring(node) or "").startswith(f"Rule {number[1]}:"), node.name
    assert found > RULES

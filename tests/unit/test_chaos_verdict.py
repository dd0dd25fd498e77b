"""The chaos run's verdict finds what is lost, doubled and off; its results can be gone on with."""

import copy
import re
from pathlib import Path

import msgspec
import pytest

from tests.chaos import results
from tests.chaos.faults import FAULTS
from tests.chaos.figures import CompactExpected, CompactShown
from tests.chaos.matrix import Row, line, total
from tests.chaos.verdict import judge
from tests.processes import ROOT
from tests.simulation.oracle_records import BalanceTotals, ChargeFacts, EntryFacts, EntryKey, Identity, Place

CREDIT = 1_000_000
CHARGE = ChargeFacts("agent", "conversation", "api", "message", CREDIT, CREDIT, 1, "v1", 0, 0, 0)
SURVIVED = Row(fault="zombie", events=10, accepted=9, recover_seconds=1.25, injected=["it stood still"])


def figures(*charges: ChargeFacts) -> tuple[CompactExpected, CompactShown]:
    """Both sides with these charges, and one balance."""
    expected, shown = CompactExpected(), CompactShown()
    for side in (expected, shown):
        side.balances["acme"] = BalanceTotals(500 * CREDIT, CREDIT, 1, 1, 1, remaining=499 * CREDIT)
        for charge in charges:
            side.charges[Identity("acme", "/s", f"{charge.offset}")] = charge
    return expected, shown


def test_equal_figures_are_exact() -> None:
    expected, shown = figures(CHARGE, CHARGE._replace(partition=3, offset=2**40))
    verdict = judge(expected, shown, "Kafka")
    assert verdict.exact
    assert verdict.accepted == 2


def test_a_charge_that_is_missing_is_lost_and_named() -> None:
    expected, shown = figures(CHARGE)
    expected.charges[Identity("acme", "/s", "2")] = CHARGE._replace(partition=2, offset=7)
    verdict = judge(expected, shown, "Kafka")
    assert (verdict.lost, verdict.doubled) == (1, 0)
    assert verdict.found == ["Kafka: 1 charges are missing: partition@offset 2@7"]


def test_a_charge_that_nobody_expects_is_doubled() -> None:
    expected, shown = figures(CHARGE)
    shown.charges[Identity("acme", "/s", "2")] = CHARGE._replace(offset=8)
    verdict = judge(expected, shown, "Kafka")
    assert (verdict.lost, verdict.doubled) == (0, 1)


def test_a_record_that_was_charged_twice_is_doubled() -> None:
    expected, shown = figures(CHARGE)
    shown.charges[Identity("acme", "/s", "0")] = CHARGE
    shown.doubled.append(Place("usage.events", 0, 0))
    verdict = judge(expected, shown, "Kafka")
    assert (verdict.lost, verdict.doubled, verdict.exact) == (0, 1, False)


@pytest.mark.parametrize("changes", [{"cost": 2 * CREDIT}, {"node": "search"}, {"occurred_at_us": 1}, {"messages": 0}])
def test_a_charge_that_says_something_else_is_found(changes: dict[str, object]) -> None:
    expected, shown = figures()
    expected.charges[Identity("acme", "/s", "1")] = CHARGE
    shown.charges[Identity("acme", "/s", "1")] = CHARGE._replace(**changes)  # type: ignore[arg-type]
    verdict = judge(expected, shown, "ClickHouse")
    assert verdict.found == ["ClickHouse: 1 charges say something else: partition@offset 0@0"]


def test_a_balance_that_is_off_is_drift() -> None:
    expected, shown = figures()
    shown.balances["acme"] = expected.balances["acme"]._replace(remaining=499 * CREDIT - 3)
    assert judge(expected, shown, "Kafka").drift == 3


def test_an_entry_that_is_missing_or_says_something_else_is_found() -> None:
    entry = EntryFacts("burned", "g1", -5, 0, 0, 95, "/s/1", "v1", False, 0, 0)
    expected, shown = figures()
    expected.entries[EntryKey("acme", 1)] = entry
    assert judge(expected, shown, "Kafka").found == [
        "Kafka: entries of 1 accounts are not as expected: acme has 0, not 1"
    ]
    shown.entries[EntryKey("acme", 1)] = entry._replace(balance=94)
    assert not judge(expected, shown, "Kafka").exact
    shown.entries.of_account.clear()
    shown.entries[EntryKey("acme", 1)] = entry
    assert judge(expected, shown, "Kafka").exact


def test_a_dead_letter_that_is_missing_is_lost() -> None:
    expected, shown = figures()
    expected.dead_letters[Place("usage.events", 1, 2)] = "not_json"
    assert judge(expected, shown, "Kafka").lost == 1


def test_marks_travel_between_processes() -> None:
    """As pickle would take them: a copy is made the same way."""
    expected, _ = figures(CHARGE)
    expected.entries[EntryKey("acme", 1)] = EntryFacts("burned", "g1", -5, 0, 0, 95, "/s/1", "v1", False, 0, 0)
    travelled = copy.deepcopy(expected)
    assert travelled.charges.places == expected.charges.places
    assert travelled.charges.prints == expected.charges.prints
    assert travelled.entries.of_account == expected.entries.of_account
    assert travelled.entries.of_account["acme"][0] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"lost": 1},
        {"doubled": 1},
        {"drift": 1},
        {"recover_seconds": None},
        {"injected": []},
        {"within_seconds": 1.0},
        {"problems": ["something"]},
    ],
)
def test_a_fault_that_was_not_survived_or_did_not_happen_fails(changes: dict[str, object]) -> None:
    assert SURVIVED.passed
    failed = msgspec.structs.replace(SURVIVED, **changes)
    assert not failed.passed
    assert "zombie" in total([SURVIVED, failed])
    assert len(line(failed).splitlines()) > 1


def test_results_sum_over_faults_and_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    rows = [SURVIVED, msgspec.structs.replace(SURVIVED, fault="swap", events=5, lost=2)]
    results.write(file, rows, "abc")
    written = msgspec.json.decode(file.read_bytes())
    assert {name: written[name] for name in ("commit", "events", "lost", "doubled", "drift", "passed")} == {
        "commit": "abc",
        "events": 15,
        "lost": 2,
        "doubled": 0,
        "drift": 0,
        "passed": False,
    }
    assert written["faults"]["zombie"]["recover_seconds"] == 1.25
    assert results.read(file, "abc") == rows


def test_results_of_another_commit_are_not_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.write(file, [SURVIVED], "abc")
    with pytest.raises(results.OtherCommitError, match="abc"):
        results.read(file, "def")
    assert results.read(tmp_path / "none.json", "def") == []


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_every_fault_is_in_the_documents_by_its_name() -> None:
    """And no other is."""
    table = (ROOT / "docs" / "chaos.md").read_text(encoding="utf-8").partition("|---|---|")[2]
    named = re.findall(r"`([a-z0-9-]+)`", table.partition("\n\n")[0])
    assert sorted(named) == sorted(fault.name for fault in FAULTS)

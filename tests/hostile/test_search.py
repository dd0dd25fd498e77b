"""`make fuzz` looks where it says, fails when it finds something, and what it found can be judged again."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.engines import FOUND_CODE, Task, unguided
from tests.hostile.judged import JUDGES
from tests.processes import ROOT


def search(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m tests.hostile` with these arguments."""
    command = [sys.executable, "-m", "tests.hostile", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_a_search_tells_how_much_it_looked_at(tmp_path: Path) -> None:
    """With atheris where it is installed, by chance alone elsewhere."""
    done = search("--inputs", "300", "--seed", "1", "--only", "command", "rollups", "--found", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [(words[0], int(words[1]) >= 300, words[3:]) for words in said] == [
        (kind, True, ["nothing", "found"]) for kind in ("command", "rollups")
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_is_found_is_kept_and_can_be_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader that breaks at a word it does not expect is found out, and the same seed finds the same."""

    def breaks(value: bytes) -> str:
        assert b"Infinity" not in value, "it broke"
        return "accepted"

    monkeypatch.setitem(JUDGES, "usage", breaks)
    found = []
    for folder in (tmp_path / "once", tmp_path / "again"):
        folder.mkdir()
        assert unguided(Task("usage", folder, seed=3, inputs=20_000, seconds=0)) == FOUND_CODE
        (file,) = folder.iterdir()
        found.append((file.name, file.read_bytes()))
    assert found[0] == found[1]
    assert b"Infinity" in found[0][1]
    assert "it broke" in capsys.readouterr().err
    again = search("--replay", str(tmp_path / "once" / found[0][0]))
    assert (again.returncode, " as usage: " in again.stdout) == (0, True), again.stderr


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--inputs", "-1"], ["--only", "everything"]])
def test_a_search_that_makes_no_sense_is_refused(arguments: list[str]) -> None:
    """With the exit code of a wrong argument, before anything is started."""
    done = search(*arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr

"""chaos-results.json: what was shown, of which commit; written after every fault, and taken up again."""

import subprocess
from pathlib import Path
from typing import Any

import msgspec

from tests.chaos.matrix import Row
from tests.processes import ROOT

_SUMS = ("events", "accepted", "lost", "doubled", "drift")
_GIT_SECONDS = 10
_FIGURES = [name for name in Row.__struct_fields__ if name != "fault"]


class OtherCommitError(Exception):
    """Results of another commit cannot be gone on with."""


def commit() -> str:
    """The commit that is broken here, with `+changes` when files differ from it; `unknown` without git."""
    said = _git("rev-parse", "HEAD").strip()
    if not said:
        return "unknown"
    return f"{said}+changes" if _git("status", "--porcelain", "--untracked-files=no").strip() else said


def write(file: Path, rows: list[Row], of_commit: str) -> None:
    """Write all that is known so far; a reader never sees half of it."""
    scratch = file.with_suffix(".tmp")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(_results(rows, of_commit)), indent=2) + b"\n")
    scratch.replace(file)


def read(file: Path, of_commit: str) -> list[Row]:
    """The faults in the file; none when there is no file, OtherCommitError when another commit was broken."""
    if not file.exists():
        return []
    found = msgspec.json.decode(file.read_bytes())
    if found["commit"] != of_commit:
        raise OtherCommitError(
            f"{file} is of commit {found['commit']}, and this is {of_commit}: run without --resume to begin anew, or "
            "name another file by --output."
        )
    return [msgspec.convert({"fault": name, **figures}, Row) for name, figures in found["faults"].items()]


def _results(rows: list[Row], of_commit: str) -> dict[str, Any]:
    return {
        "commit": of_commit,
        **{name: sum(getattr(row, name) for row in rows) for name in _SUMS},
        "passed": all(row.passed for row in rows),
        "took_seconds": round(sum(row.took_seconds for row in rows), 1),
        "faults": {row.fault: {name: _rounded(getattr(row, name)) for name in _FIGURES} for row in rows},
    }


def _rounded(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        ).stdout
    except OSError:
        return ""

"""Two questions about every package of uv.lock, asked through uv: of the advisories, and of the registry."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from tests.processes import ROOT

_ANSWER_SECONDS = 300
# One that every locked version may be asked about: some are for it and newer ones alone.
_PYTHON = "3.13"
_LONGEST_SHOWN = 4_000
_AWAY = re.compile("Failed to fetch|error sending request|Request failed")
_REQUIREMENT = re.compile(r"^([\w.-]+==[\w.!+-]+)")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


class Verdict(Enum):
    """What an answer comes to."""

    CLEAN = "nothing found"
    FOUND = "FOUND"
    AWAY = "NOT ASKED"


class Answer(NamedTuple):
    """A question, what came of it, and the words for it."""

    question: str
    verdict: Verdict
    text: str


def ask_advisories(folder: Path = ROOT, service_url: str = "") -> Answer:
    """Known vulnerabilities, and projects that were archived or quarantined, of the lock file in a folder."""
    service = ["--service-url", service_url] if service_url else []
    done = _uv(["audit", "--frozen", "--preview-features", "audit-command", "--project", str(folder), *service])
    # Only 0 and 1 are answers; what else uv says, and an older one that cannot audit, is none.
    verdict = {0: Verdict.CLEAN, 1: Verdict.FOUND}.get(done.returncode, Verdict.AWAY)
    return Answer("advisories and status of projects", verdict, f"{done.stderr}{done.stdout}"[:_LONGEST_SHOWN])


def ask_registry(folder: Path = ROOT) -> Answer:
    """Whether each locked version is still offered, with the files that were locked, and was not taken back."""
    question = "releases and their files"
    exported = _uv(["export", "--frozen", "--no-emit-project", "--all-groups", "--project", str(folder)])
    exported.check_returncode()
    locked = hashes_of(exported.stdout)
    # A marker is no part of the question, and two versions of a package are two questions.
    asked = [*_COMPILE, "--default-index", _index(folder), "-"]
    done = [_uv(asked, "\n".join(versions)) for versions in _rounds(list(locked))]
    said = "\n".join(each.stderr.strip() for each in done)[:_LONGEST_SHOWN]
    if any(each.returncode for each in done):
        return Answer(question, Verdict.AWAY if _AWAY.search(said) else Verdict.FOUND, said)
    offered = hashes_of("\n".join(each.stdout for each in done))
    problems = [line for line in said.splitlines() if " is yanked" in line]
    for version, files in locked.items():
        if unknown := files - offered.get(version, set()):
            problems.append(f"{version}: the registry offers no file with {', '.join(sorted(unknown))}")
    return Answer(question, Verdict.FOUND if problems else Verdict.CLEAN, "\n".join(problems))


def _index(folder: Path) -> str:
    lock = tomllib.loads((folder / "uv.lock").read_text(encoding="utf-8"))
    (index,) = {package["source"]["registry"] for package in lock["package"] if "registry" in package["source"]}
    return str(index)


def hashes_of(requirements: str) -> dict[str, set[str]]:
    """The hashes of every `name==version` in a requirements file."""
    found: dict[str, set[str]] = {}
    files: set[str] = set()
    for line in requirements.splitlines():
        if pinned := _REQUIREMENT.match(line):
            files = found.setdefault(pinned[1], set())
        files.update(_HASH.findall(line))
    return found


_COMPILE = [
    *("pip", "compile", "--no-deps", "--no-header", "--no-annotate", "--generate-hashes", "--refresh"),
    *("--python-version", _PYTHON, "--universal"),
]


def _rounds(versions: Sequence[str]) -> list[list[str]]:
    """Lists in which no package comes twice."""
    rounds: list[dict[str, str]] = []
    for version in versions:
        name = version.partition("==")[0]
        free = next((each for each in rounds if name not in each), None)
        if free is None:
            rounds.append(free := {})
        free[name] = version
    return [list(each.values()) for each in rounds]


def _uv(arguments: Sequence[str], given: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("uv")), *arguments]
    # Nothing but answers is fetched: no Python to resolve for one that is not here.
    ours = {"NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}
    environment = {"UV_HTTP_RETRIES": "2", "UV_HTTP_TIMEOUT": "20", **os.environ, **ours}
    try:
        return subprocess.run(
            command, cwd=ROOT, env=environment, input=given, capture_output=True, text=True, check=False,
            timeout=_ANSWER_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 2, "", f"Failed to fetch: no answer within {_ANSWER_SECONDS} s")

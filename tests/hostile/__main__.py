"""Looks for input that breaks a reader: `make fuzz`. Ten minutes unless told otherwise; exit code 1 when it finds any.

Each kind of record has a process of its own. What is found is written to a file, which can be judged again with
--replay, and kept as a test once it is mended: tests/hostile/corpus/README.md says how.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.hostile.engines import guided_is_possible
from tests.hostile.judged import JUDGES
from tests.processes import ROOT

FOUND = ROOT / "tests" / "hostile" / "found"
_TELL_EVERY_SECONDS = 30.0
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 10
_LINES_SHOWN, _LINE_SHOWN = 25, 300
_ENDED = (0, -signal.SIGINT, 130)
"""By itself, or because it was told to: -SIGINT of Python, 130 of a shell."""


class Search(NamedTuple):
    """A process that looks for input of one kind, and what it says."""

    kind: str
    process: subprocess.Popen[bytes]
    log: Path


def main() -> int:
    """0 when nothing was found, 1 when something was, 2 when the arguments are wrong or a search could not run."""
    options = _options()
    if options.replay is not None:
        return _replay(options.replay, options.only)
    options.found.mkdir(parents=True, exist_ok=True)
    found_before = set(options.found.iterdir())
    engine = (
        "atheris, led by the Python code that an input reaches"
        if guided_is_possible()
        else "chance alone: atheris has no build for this Python and machine"
    )
    until = f"{options.inputs} inputs of each" if options.inputs else f"{options.seconds} s"
    print(f"looking for input that breaks a reader: {', '.join(options.only)}; {until}; {engine}", flush=True)
    with tempfile.TemporaryDirectory(prefix="creditstream-fuzz-") as logs:
        searches = [_start(kind, options, Path(logs)) for kind in options.only]
        try:
            _wait(searches)
        except KeyboardInterrupt:
            print("stopped", flush=True)
        finally:
            _end(searches)
        found = sorted(set(options.found.iterdir()) - found_before)
        return max(_told(search, found) for search in searches)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--seconds", type=_positive, default=600, help="how long to look (default: %(default)s)")
    parser.add_argument("--inputs", type=_positive, help="stop after so many inputs of each kind instead")
    parser.add_argument("--seed", type=_positive, default=int(time.time()), help="begin as the search with this seed")
    parser.add_argument("--only", nargs="+", choices=list(JUDGES), default=list(JUDGES), help="these kinds of record")
    parser.add_argument("--found", type=Path, default=FOUND, help="where findings go (default: tests/hostile/found)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="judge this file alone; say its kind by --only")
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _replay(file: Path, kinds: list[str]) -> int:
    kind = next((each for each in JUDGES if file.name.startswith(f"{each}-")), kinds[0])
    print(f"{file} as {kind}: {JUDGES[kind](file.read_bytes())}")
    return 0


def _start(kind: str, options: argparse.Namespace, logs: Path) -> Search:
    log = logs / kind
    seconds = 0 if options.inputs else options.seconds
    command = [sys.executable, "-m", "tests.hostile.engines", kind, str(options.found.resolve())]
    command += map(str, (options.seed, options.inputs or 0, seconds))
    with log.open("wb") as file:
        # Where sets are told apart by chance, a seed would not find the same again.
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    return Search(kind, process, log)


def _wait(searches: list[Search]) -> None:
    tell_at = time.monotonic() + _TELL_EVERY_SECONDS
    while any(search.process.poll() is None for search in searches):
        time.sleep(_POLL_SECONDS)
        if time.monotonic() >= tell_at:
            print("; ".join(f"{search.kind} {_count(search):,}" for search in searches), flush=True)
            tell_at += _TELL_EVERY_SECONDS


def _end(searches: list[Search]) -> None:
    for search in searches:
        if search.process.poll() is None:
            search.process.send_signal(signal.SIGINT)
    for search in searches:
        try:
            search.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            search.process.kill()
            search.process.wait()


def _count(search: Search) -> int:
    counts = re.findall(rb"^#(\d+)\s", search.log.read_bytes(), re.MULTILINE)
    return int(counts[-1]) if counts else 0


def _told(search: Search, found: list[Path]) -> int:
    """The exit code that follows from how a search ended, and what it found."""
    code = search.process.returncode
    files = [file for file in found if file.name.startswith(f"{search.kind}-")]
    if code in _ENDED and not files:
        print(f"{search.kind:<13} {_count(search):>10,} inputs, nothing found")
        return 0
    lines = search.log.read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(line[:_LINE_SHOWN] for line in lines[-_LINES_SHOWN:]))
    if not files:
        print(f"{search.kind:<13} the search itself failed with exit code {code}", file=sys.stderr)
        return 2
    for file in files:
        print(f"{search.kind:<13} FOUND {file}: python -m tests.hostile --only {search.kind} --replay {file}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

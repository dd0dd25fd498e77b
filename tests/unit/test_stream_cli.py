"""The command line of `stream`: a command that is ended from outside ends without a traceback."""

import subprocess
import sys

import pytest

import stream.__main__ as streaming
from tests.processes import ROOT

_ENDLESS = """
import stream.__main__ as streaming

def run(settings, options):
    while True:
        print("an entry")

streaming._TOOLS["explain"] = streaming._TOOLS["explain"]._replace(run=run)
raise SystemExit(streaming.main(["explain", "--account", "acme"]))
"""


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """As `explain | head` does: nothing on stderr, code 1."""
    with subprocess.Popen(
        [sys.executable, "-c", _ENDLESS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"an entry\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_command_that_is_interrupted_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 1."""

    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(streaming._TOOLS, "explain", streaming._TOOLS["explain"]._replace(run=interrupt))
    assert streaming.main(["explain", "--account", "acme"]) == 1
    assert capsys.readouterr().err == "interrupted\n"

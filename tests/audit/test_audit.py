"""What the audit makes of a registry and a service of advisories, both of lists, on this machine."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.audit.__main__ import exit_code, told
from tests.audit.questions import Answer, Verdict, ask_advisories, ask_registry, hashes_of

LOCKED_HASH = "0" * 64
OTHER_HASH = "f" * 64
WHEEL = "fruit-1.0-py3-none-any.whl"
METADATA = b"Metadata-Version: 2.1\nName: fruit\nVersion: 1.0\n"
LOCK = """version = 1
requires-python = ">=3.11"

[[package]]
name = "basket"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "fruit" }}]

[package.metadata]
requires-dist = [{{ name = "fruit" }}]

[[package]]
name = "fruit"
version = "1.0"
source = {{ registry = "{url}/simple" }}
wheels = [{{ url = "{url}/{wheel}", hash = "sha256:{hash}" }}]
"""
PROJECT = '[project]\nname = "basket"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["fruit"]\n'


class Others(BaseHTTPRequestHandler):
    """A registry with one release, and a service of advisories."""

    yanked: ClassVar[bool | str] = False
    hash: ClassVar[str] = LOCKED_HASH
    file: ClassVar[str] = WHEEL
    advisories: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        if self.path.startswith("/simple/"):
            file = {"filename": self.file, "url": f"/{self.file}", "hashes": {"sha256": self.hash}}
            self._answer({"name": "fruit", "files": [{**file, "yanked": self.yanked, "core-metadata": True}]})
        elif self.path.endswith(".metadata"):
            self._answer(METADATA)
        else:
            self._answer({"id": self.path.rsplit("/")[-1], "modified": "2026-01-01T00:00:00Z", "summary": "it rots"})

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
        self._answer({"results": [{"vulns": self.advisories} for _ in queries]})

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, body: dict[str, Any] | bytes) -> None:
        kind = "text/plain" if isinstance(body, bytes) else "application/vnd.pypi.simple.v1+json"
        if isinstance(body, dict) and "files" not in body:
            kind = "application/json"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Market:
    """Where the others are, and a lock file that names them."""

    def __init__(self, folder: Path) -> None:
        self.others: type[Others] = type("OthersOfATest", (Others,), {})
        self._server = HTTPServer(("127.0.0.1", 0), self.others)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.folder = folder
        (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
        lock = LOCK.format(url=self.url, wheel=WHEEL, hash=LOCKED_HASH)
        (folder / "uv.lock").write_text(lock, encoding="utf-8")
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Nobody answers any more."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    """With what this machine has set for its own registry left out."""
    for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_OFFLINE", "UV_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    opened = Market(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, Verdict.CLEAN, ""),
        ({"yanked": "it was rotten"}, Verdict.FOUND, "`fruit==1.0` is yanked (reason: \"it was rotten\")"),
        ({"hash": OTHER_HASH}, Verdict.FOUND, f"fruit==1.0: the registry offers no file with sha256:{LOCKED_HASH}"),
        ({"file": WHEEL.replace("1.0", "1.1")}, Verdict.FOUND, "there is no version of fruit==1.0"),
    ],
)  # fmt: skip
def test_a_release_that_changed_since_it_was_locked_is_found(
    market: Market, changes: dict[str, Any], verdict: Verdict, words: str
) -> None:
    """Each row is what the registry says otherwise, and what comes of it."""
    for name, value in changes.items():
        setattr(market.others, name, value)
    answer = ask_registry(market.folder)
    assert answer.verdict is verdict, answer.text
    assert words in " ".join(answer.text.split())


def test_an_advisory_is_found(market: Market) -> None:
    """None is none, and one that does not concern us may be named in pyproject.toml."""
    assert ask_advisories(market.folder, market.url).verdict is Verdict.CLEAN
    market.others.advisories = [{"id": "PYSEC-2026-1", "modified": "2026-01-01T00:00:00Z"}]
    answer = ask_advisories(market.folder, market.url)
    assert answer.verdict is Verdict.FOUND, answer.text
    assert "PYSEC-2026-1: it rots" in answer.text
    with (market.folder / "pyproject.toml").open("a", encoding="utf-8") as project:
        project.write('[tool.uv.audit]\nignore = ["PYSEC-2026-1"]\n')
    assert ask_advisories(market.folder, market.url).verdict is Verdict.CLEAN


def test_nobody_who_answers_is_told_apart_from_nothing_found(market: Market) -> None:
    """An audit that asked nobody must not look like one that found nothing."""
    market.close()
    answers = [ask_registry(market.folder), ask_advisories(market.folder, market.url)]
    assert [answer.verdict for answer in answers] == [Verdict.AWAY, Verdict.AWAY], answers
    assert all("NOT ASKED" in told(answer) and "127.0.0.1" in told(answer) for answer in answers)


@pytest.mark.parametrize(
    ("verdicts", "strict", "lenient"),
    [
        ([Verdict.CLEAN, Verdict.CLEAN], 0, 0),
        ([Verdict.AWAY, Verdict.CLEAN], 3, 0),
        ([Verdict.AWAY, Verdict.FOUND], 1, 1),
    ],
)
def test_only_who_says_so_gets_past_an_audit_that_was_not_made(
    verdicts: list[Verdict], strict: int, lenient: int
) -> None:
    """Each row is what came of the questions, and the exit codes without and with --unasked-is-fine."""
    answers = [Answer("a question", verdict, "") for verdict in verdicts]
    assert exit_code(answers, unasked_is_fine=False) == strict
    assert exit_code(answers, unasked_is_fine=True) == lenient


def test_hashes_are_read_by_name_and_version() -> None:
    """Of both forms that uv writes."""
    both = [f"sha256:{LOCKED_HASH}", f"sha256:{OTHER_HASH}"]
    text = "\n".join(["a==1 \\", *(f"    --hash={each} \\" for each in both), "b==2 ; python_version < '4'", "# via a"])
    assert hashes_of(text) == {"a==1": set(both), "b==2": set()}

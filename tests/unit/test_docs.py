"""What the documents say is so: examples run; settings, metrics, tests, commands and files that are named exist."""

import ast
import json
import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

import deploy.local.__main__ as local_stack
import producers.__main__ as sending
import sinks.__main__ as sinking
import stream.__main__ as streaming
from producers import UsageReporter
from schemas.command import CommandData
from schemas.dead_letter import Reason
from schemas.rate_card_check import problems
from schemas.rate_card_file import read_rate_card
from schemas.settings import KafkaSettings
from schemas.topics import TopicNames, topic_specs
from schemas.usage import Channel
from sinks.notify.settings import NotifySettings
from sinks.settings import ClickHouseSettings, SinkSettings
from stream.rules.outcome import Reject
from stream.rules.usage import read_usage
from stream.settings import WorkerSettings
from tests.documents import ROOT, exported, known_series, setting_names
from tests.unit.reporter_scene import ScriptedProducer

DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        ROOT / "CHANGELOG.md",
        *sorted((ROOT / "docs").glob("*.md")),
    ]
}
EVERYTHING = "\n".join(DOCUMENTS.values())
OPERATING = DOCUMENTS["docs/operating.md"]
OF_NOTICES = "docs/notices.md"
"""Its examples are no usage; `test_notify_documents.py` runs them."""
PARSERS: dict[str, ArgumentParser] = {
    "producers": sending._parser(),
    "stream": streaming._parser(),
    "sinks": sinking._parser(),
    "deploy.local": local_stack._parser(),
}
TESTS_LINKS = r"`(tests/[\w/]+\.py)::(test_\w+)`"


def blocks(language: str, but: str = "") -> list[Any]:
    """Every example in a language, named by its document and number; those of one document may be left out."""
    found = [
        (name, code)
        for name, text in DOCUMENTS.items()
        if name != but
        for code in re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    ]
    return [pytest.param(code, id=f"{name}-{number}") for number, (name, code) in enumerate(found)]


def shell_commands() -> Iterator[list[str]]:
    """Every command of every shell example, and every `python -m …` in the text, as words."""
    for param in blocks("sh"):
        for line in param.values[0].replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words
    for command in re.findall(r"`((?:python -m|make|promtool|helm|docker) [^`]+)`", EVERYTHING):
        yield shlex.split(command)


COMMANDS = list(shell_commands())


@pytest.mark.parametrize("code", blocks("python", but=OF_NOTICES))
def test_a_python_example_runs_and_its_events_can_be_booked(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a producer of lists where librdkafka is: assertions hold, and the worker would read what was sent."""
    made: list[ScriptedProducer] = []

    def make(config: dict[str, object]) -> ScriptedProducer:
        made.append(ScriptedProducer(config, room=1_000_000))
        return made[-1]

    defaults = UsageReporter.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "make_producer", make)
    monkeypatch.setattr(ScriptedProducer, "flush", _deliver)
    exec(compile(code, "example", "exec"), {"__name__": "example"})  # noqa: S102  the repository's own examples
    sent = [(value, key) for producer in made for _, value, key, _ in producer.sent]
    assert sent
    assert not [read for value, key in sent if isinstance(read := read_usage(value, key.encode()), Reject)]


@pytest.mark.parametrize("code", blocks("json", but=OF_NOTICES))
def test_a_json_example_is_an_event(code: str) -> None:
    """The worker would read it as it stands."""
    assert not isinstance(read_usage(code.encode(), json.loads(code)["subject"].encode()), Reject)


@pytest.mark.parametrize("code", blocks("toml"))
def test_a_rate_card_example_may_be_published(code: str, tmp_path: Path) -> None:
    """It is read as a file would be, and nothing is wrong with it."""
    file = tmp_path / "card.toml"
    file.write_text(code, encoding="utf-8")
    assert problems(read_rate_card(file)) == []


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[:2] == ["python", "-m"]], ids=" ".join)
def test_a_command_line_is_understood(words: list[str]) -> None:
    """Command and options exist; a module that is named alone is there."""
    module, arguments = words[2], words[3:]
    if module in PARSERS and arguments:
        PARSERS[module].parse_args(arguments)
    else:
        path = ROOT / Path(*module.split("."))
        assert path.exists() or path.with_suffix(".py").exists()


def test_make_targets_exist() -> None:
    """Those that the documents name, in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = {words[1] for words in COMMANDS if words[0] == "make" and len(words) > 1}
    assert {"demo", "test", "check", "bench"} <= named <= targets


def test_files_that_are_named_exist() -> None:
    """Links, paths in code spans and paths in commands, from the document's own folder or the repository's root."""
    spans = re.findall(r"`((?:schemas|producers|stream|sinks|deploy|tests|docs|engine)/[\w./-]*)`", EVERYTHING)
    arguments = [word for words in COMMANDS for word in words if re.match(r"(?:deploy|docs)/[\w./*-]+$", word)]
    assert len(spans) > 10
    for path in {*spans, *arguments}:
        base = ROOT / "stream" if path.startswith("engine/") else ROOT
        assert list(base.glob(path)), path
    for name, text in DOCUMENTS.items():
        for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text):
            assert ((ROOT / name).parent / link).exists(), f"{name}: {link}"


def test_links_to_headings_lead_somewhere() -> None:
    """Within a document, as GitHub names headings."""
    for name, text in DOCUMENTS.items():
        headings = {
            re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)
        }
        assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings, name


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    """Both ways, over all processes."""
    named = set(re.findall(r"\bCREDITSTREAM_[A-Z_]+\b", EVERYTHING))
    assert named - setting_names() == set()
    assert setting_names() - set(re.findall(r"`(CREDITSTREAM_[A-Z_]+)`", OPERATING)) == set()


@pytest.mark.parametrize(
    "settings",
    [KafkaSettings, WorkerSettings, SinkSettings, ClickHouseSettings, NotifySettings],
    ids=lambda each: str(each.__name__),
)
def test_documented_defaults_are_the_defaults(settings: type[Any]) -> None:
    """Where a row names one setting and a figure, the figure is the code's."""
    rows = dict(re.findall(r"^\| `CREDITSTREAM_([A-Z_]+)` \| ([\d,]+) \|", OPERATING, re.M))
    defaults = settings()
    for name, shown in rows.items():
        if hasattr(defaults, name.lower()):
            assert int(shown.replace(",", "")) == getattr(defaults, name.lower()), name


def test_every_metric_is_documented_and_every_documented_metric_exists() -> None:
    """Both ways, with the type."""
    rows = re.findall(r"^\| (`creditstream_\w+`(?:, `creditstream_\w+`)*) \| (\w+) \|", OPERATING, re.M)
    documented = {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}
    assert documented == {name: kind for name, (kind, _) in exported().items()}
    assert set(re.findall(r"\bcreditstream_\w+", EVERYTHING)) <= {*known_series(), *exported()}


def test_every_topic_is_documented_and_every_documented_topic_exists() -> None:
    """Names are those that `create-topics` makes."""
    names = {spec.name for spec in topic_specs(TopicNames(app="{app}"), partitions=1, replication=1)}
    for document in ("ARCHITECTURE.md", "docs/operating.md"):
        rows = re.findall(r"^\| (`[a-z{][^|]*`) \|", DOCUMENTS[document], re.M)
        shown = {name for row in rows for name in re.findall(r"`([a-z{][\w{}]*[.}-][\w.-]+)`", row)}
        assert names <= shown, document
        assert {name for name in shown if name.startswith(("usage.", "credits.", "sinks.", "{app}"))} <= names


def test_every_reason_and_channel_is_documented() -> None:
    """For usage and commands; what the sink alone says is told in operating.md by its topic."""
    events = DOCUMENTS["docs/events.md"]
    either = events + DOCUMENTS["docs/commands.md"]
    of_sink = {Reason.REFUSED_BY_CLICKHOUSE, Reason.UNDECODABLE}
    assert [reason for reason in Reason if f"`{reason}`" not in either and reason not in of_sink] == []
    assert [channel for channel in Channel if f"`{channel}`" not in events] == []


def test_every_kind_of_command_is_documented_with_its_fields() -> None:
    """A row each, which names what the kind's struct has."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", DOCUMENTS["docs/commands.md"], re.M))
    kinds = {struct.__struct_config__.tag: struct for struct in get_args(CommandData)}
    assert kinds.keys() <= rows.keys()
    for kind, struct in kinds.items():
        missing = [field for field in struct.__struct_fields__ if f"`{field}`" not in rows[kind]]
        assert missing == [], kind


def test_every_test_that_a_guarantee_names_exists() -> None:
    """A promise whose test was renamed or removed is found here."""
    named = re.findall(TESTS_LINKS, EVERYTHING)
    assert len(named) > 30
    for file, test in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert test in functions, f"{file}::{test}"


def test_every_guarantee_names_a_test() -> None:
    """A row of a table of promises ends in one."""
    rows = re.findall(r"^\| (?!promise|-)(.+) \| (.*) \|$", DOCUMENTS["docs/guarantees.md"], re.M)
    assert rows
    assert [promise for promise, shown in rows if not re.search(TESTS_LINKS, shown)] == []


def test_the_readme_is_short() -> None:
    """Under 120 lines: what, see it work, use it, operate it, develop it."""
    readme = DOCUMENTS["README.md"]
    assert len(readme.splitlines()) <= 120
    assert re.findall(r"^## (.+)$", readme, re.M) == [
        "See it work",
        "Use it",
        "Operate it",
        "Performance",
        "Develop it",
    ]


def _deliver(self: ScriptedProducer, timeout: float) -> int:
    """Everything that waits arrives."""
    self.poll(timeout)
    self.waiting.clear()
    return 0

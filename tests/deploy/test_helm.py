"""The chart, without helm: its templates use the values that there are, and run what the image runs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import DEPLOY, ROOT, setting_names

CHART = DEPLOY / "helm"
TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in sorted((CHART / "templates").iterdir())}
EVERYTHING = "\n".join(TEMPLATES.values())
VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
PROCESSES = ("worker", "sink", "notifier")
FREE_FORM = {
    "rateCards",
    "kafka.settings",
    *(f"{name}.{part}" for name in PROCESSES for part in ("settings", "resources")),
}


def declared_values() -> set[str]:
    """The dotted name of every value of values.yaml, groups included."""
    names: set[str] = set()
    path: list[str] = []
    for indent, key in re.findall(r"^( *)([A-Za-z]\w*):", VALUES, re.M):
        path[len(indent) // 2 :] = [key]
        names.add(".".join(path))
    return names


def used_values() -> set[str]:
    """The dotted name of every value that a template uses."""
    return set(re.findall(r"\.Values\.([A-Za-z]\w*(?:\.[a-z]\w*)*)", EVERYTHING))


def test_templates_use_values_that_there_are_and_all_of_them() -> None:
    """A misspelt value is empty in silence; one that nothing uses does nothing."""
    declared = declared_values()
    assert used_values() <= declared
    groups = {name for name in declared if any(other.startswith(f"{name}.") for other in declared)} - FREE_FORM
    inside = {name for name in declared if any(name.startswith(f"{free}.") for free in FREE_FORM)}
    assert declared - groups - inside <= used_values()


@pytest.mark.parametrize("name", TEMPLATES)
def test_blocks_of_a_template_are_closed(name: str) -> None:
    """Every if, range, with and define has its end; every include names a define."""
    opened = re.findall(r"\{\{-? *(?:if|range|with|define)\b", TEMPLATES[name])
    assert len(opened) == len(re.findall(r"\{\{-? *end\b", TEMPLATES[name]))
    assert TEMPLATES[name].count("{{") == TEMPLATES[name].count("}}")
    defined = re.findall(r'define "([\w.]+)"', EVERYTHING)
    assert set(re.findall(r'include "([\w.]+)"', TEMPLATES[name])) <= set(defined)


def test_settings_in_the_chart_are_settings_of_the_processes() -> None:
    """A misspelt CREDITSTREAM_ name would be ignored in silence."""
    named = set(re.findall(r"\bCREDITSTREAM_[A-Z_]+\b", EVERYTHING))
    assert len(named) > 5
    assert named <= setting_names()


def commands() -> list[list[str]]:
    """The command of each container, with values put in."""
    text = re.sub(r"\{\{[^}]*\}\}", "1", EVERYTHING)
    in_line = [re.findall(r'"([^"]+)"', found) for found in re.findall(r'command: (\["python".*\])', text)]
    listed = re.findall(r"command:\n((?:\s+(?:- .*|1)\n)+)", text)
    return in_line + [re.findall(r"- (.+)", found) for found in listed]


@pytest.mark.parametrize("command", commands(), ids=lambda command: " ".join(command[2:5]))
def test_the_command_of_a_container_is_understood(command: list[str]) -> None:
    """Each exists with its options: with --help behind them, it explains itself."""
    python, *arguments = command
    assert python == "python"
    done = subprocess.run([sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for option in (word.partition("=")[0] for word in arguments if word.startswith("--")):
        assert option in done.stdout


def test_every_process_runs_as_the_image_has_it() -> None:
    """User, port and data folder are those of the Dockerfile; probes ask for what the processes serve."""
    assert len(commands()) == 6
    (user,) = re.findall(r"useradd --uid (\d+)", DOCKERFILE)
    (port,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.M)
    (folder,) = re.findall(r"CREDITSTREAM_DATA_FOLDER=(\S+)", DOCKERFILE)
    assert f"runAsUser: {user}" in TEMPLATES["_names.tpl"]
    assert set(re.findall(r"containerPort: (\d+)", EVERYTHING)) == {port}
    assert set(re.findall(r'prometheus\.io/port: "(\d+)"', EVERYTHING)) == {port}
    assert f"mountPath: {folder}" in TEMPLATES["worker.yaml"]
    assert re.findall(r"path: (/\w+z), port: http", TEMPLATES["_names.tpl"]) == ["/healthz", "/readyz"]


@pytest.mark.parametrize("setting", ["CLICKHOUSE_PASSWORD", "SASL_PASSWORD"])
def test_passwords_come_from_secrets(setting: str) -> None:
    """values.yaml names Secrets, and holds none."""
    password = EVERYTHING.partition(f"- name: CREDITSTREAM_{setting}\n")[2]
    assert password.split()[:2] == ["valueFrom:", "secretKeyRef:"]
    assert set(re.findall(r"passwordSecret: (.*)", VALUES)) == {'""'}


def test_a_worker_has_the_name_of_its_pod_in_its_group() -> None:
    """A StatefulSet keeps it over restarts, and gives it to one pod."""
    name = TEMPLATES["worker.yaml"].partition("- name: CREDITSTREAM_INSTANCE_ID\n")[2]
    assert name.split()[:4] == ["valueFrom:", "fieldRef:", "fieldPath:", "metadata.name"]
    assert "kind: StatefulSet" in TEMPLATES["worker.yaml"]


def test_the_chart_has_the_version_of_the_project() -> None:
    """The image's tag follows from it."""
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    chart = (CHART / "Chart.yaml").read_text(encoding="utf-8")
    assert f'appVersion: "{version}"' in chart


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
def test_helm_renders_the_chart(tmp_path: Path) -> None:
    """Where it is installed it renders every template, with all that can be switched on."""
    options = [
        "rateCards.a=b",
        "kafka.settings.A=b",
        "worker.singleNode=true",
        "worker.acceptNewState=true",
        "clickhouse.passwordSecret=s",
        "kafka.passwordSecret=s",
        "notifier.endpointsSecret=s",
    ]
    switched_on = [part for option in options for part in ("--set", option)]
    done = subprocess.run(
        ["helm", "template", "release", str(CHART), *switched_on],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\nkind: ") == 11

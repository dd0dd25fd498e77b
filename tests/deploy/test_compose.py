"""compose.yaml and the Dockerfile name only what exists: an engine to run them is not everywhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sinks.notify.settings import NotifySettings
from sinks.settings import ClickHouseSettings, SinkSettings
from stream.settings import WorkerSettings

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMMANDS = [json.loads(found) for found in re.findall(r'command: (\["python".*\])', COMPOSE)]


def test_every_process_of_the_project_is_a_service() -> None:
    """Topics, rate cards, migrations, worker and sink are started by compose, the notifier where it is asked for."""
    assert [" ".join(command[2:4]) for command in COMMANDS] == [
        "stream create-topics",
        "producers rate-card",
        "sinks migrate",
        "stream worker",
        "sinks worker",
        "sinks notify",
    ]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[2:4]))
def test_the_command_line_of_a_service_is_understood(command: list[str]) -> None:
    """Each command exists with its options: with --help behind them, it explains itself."""
    python, *arguments = command
    assert python == "python"
    done = subprocess.run(
        [sys.executable, *arguments, "--help"], cwd=DEPLOY.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for option in (word for word in arguments if word.startswith("--")):
        assert option in done.stdout


def test_dependencies_name_services() -> None:
    """What a service waits for is a service of this file, completing or healthy as it is waited for."""
    services = set(re.findall(r"^  ([a-z-]+):$", COMPOSE, re.M))
    waited_for = re.findall(r"^      ([a-z-]+): \{condition: (\w+)\}$", COMPOSE, re.M)
    assert len(waited_for) == 7
    assert {name for name, _ in waited_for} <= services
    for name, condition in waited_for:
        section = COMPOSE.partition(f"\n  {name}:\n")[2].partition("\n\n")[0]
        if condition == "service_healthy":
            assert "healthcheck:" in section
        else:
            assert "restart:" not in section


@pytest.mark.parametrize("mounted", re.findall(r"[\"\s](\./[\w./-]+):/", COMPOSE))
def test_mounted_files_exist(mounted: str) -> None:
    """Every path that compose mounts from here is in the repository."""
    assert (DEPLOY / mounted).exists()


def test_settings_in_compose_are_settings_of_the_processes() -> None:
    """A misspelt CREDITSTREAM_ name would be ignored in silence."""
    known = {
        f"CREDITSTREAM_{field.upper()}"
        for settings in (ClickHouseSettings, NotifySettings, SinkSettings, WorkerSettings)
        for field in settings.__struct_fields__
    }
    named = set(re.findall(r"\bCREDITSTREAM_[A-Z_]+\b", COMPOSE + DOCKERFILE))
    assert named
    assert named <= known


def test_the_image_runs_as_nobody_in_particular_from_locked_dependencies() -> None:
    """The last stage has a user of its own, and what is installed is what the lock file says."""
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "\nUSER creditstream\n" in last_stage
    assert DOCKERFILE.count("uv sync --frozen") == 2
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M):
        for name in copied.split():
            assert (DEPLOY.parent / name).exists()

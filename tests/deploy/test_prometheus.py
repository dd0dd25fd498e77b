"""Alerts ask for metrics that are exported, say what to do, and fire when they should."""

import re
import shutil
import subprocess

import pytest

from tests.documents import DEPLOY, known_series, metrics_in, series_with_labels

FOLDER = DEPLOY / "prometheus"
ALERTS = (FOLDER / "alerts.yml").read_text(encoding="utf-8")
CONFIG = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
COMPOSE = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
RULES = re.split(r"\n\s+- alert: ", ALERTS)[1:]
NAMES = [rule.partition("\n")[0] for rule in RULES]


def expression(rule: str) -> str:
    """The PromQL of an alert, folded into one line."""
    return " ".join(re.split(r"\n\s+(?:for|labels):", rule.partition("expr:")[2])[0].removeprefix(" >-").split())


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_an_alert_asks_for_metrics_and_labels_that_are_exported(rule: str) -> None:
    """A renamed metric would silence its alert; a selector on a label that is not there selects nothing."""
    asked = expression(rule)
    assert metrics_in(asked) <= known_series().keys()
    for name, labels in series_with_labels(asked):
        assert labels <= known_series()[name] | {"job", "instance", "le"}, name


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_an_alert_has_a_severity_and_says_what_to_do(rule: str) -> None:
    """Whoever is woken reads what happened, and an action."""
    assert re.search(r"labels: \{severity: (critical|warning)\}", rule)
    assert re.search(r'summary: ".+"', rule)
    assert re.search(r'action: ".+"', rule)


def test_every_alert_has_a_name_of_its_own_and_is_shown_to_fire() -> None:
    """alerts_test.yml, which promtool runs, has an expectation for each."""
    assert len(NAMES) == len(set(NAMES)) > 10
    shown = (FOLDER / "alerts_test.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'alertname="(\w+)"', shown)) == set(NAMES)


def test_prometheus_scrapes_services_of_compose_where_they_listen() -> None:
    """Targets are compose's services, on the image's port; rule files are beside the configuration it mounts."""
    assert "./prometheus:/etc/prometheus:ro" in COMPOSE
    assert "--config.file=/etc/prometheus/prometheus.yml" in COMPOSE
    targets = re.findall(r'targets: \["([\w-]+):(\d+)"\]', CONFIG)
    assert {name for name, _ in targets} == {"worker", "sink"}
    assert {port for _, port in targets} == {"8080"}
    for name, port in targets:
        assert re.search(rf'\n  {name}:\n(?:    .*\n)*?    ports: \["127\.0\.0\.1:\d+:{port}"\]', COMPOSE)
    for name, port in re.findall(r"names: \[(\w+)\], type: A, port: (\d+)", CONFIG):
        assert re.search(rf'\n  {name}:\n(?:    .*\n)*?    ports: \["127\.0\.0\.1:\d+:{port}"\]', COMPOSE)
    for rules in re.findall(r"^  - (\S+)$", CONFIG, re.M):
        assert (FOLDER / rules).exists()


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian's package is prometheus)"
)
@pytest.mark.parametrize("check", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")])
def test_promtool_finds_nothing_wrong(check: tuple[str, ...]) -> None:
    """Where it is installed it parses every expression, and shows each alert firing."""
    done = subprocess.run(["promtool", *check], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

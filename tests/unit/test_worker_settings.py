"""A worker's settings are checked one by one and together before anything starts."""

import os

import pytest

from schemas.settings import BadSettingError
from stream.__main__ import main
from stream.settings import WorkerSettings, load_worker_settings


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CREDITSTREAM_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("window_hours", "horizon_minutes", "horizon_used_minutes"),
    [(24, None, 1_435), (1, None, 55), (840, None, 50_395), (24, 1_435, 1_435), (24, 60, 60), (1, 55, 55)],
)
def test_the_horizon_is_five_minutes_less_than_the_window_unless_given(
    window_hours: int, horizon_minutes: int | None, horizon_used_minutes: int
) -> None:
    """Each row is the dedup window, the horizon that is set, and the one that is used."""
    settings = load_worker_settings(dedup_window_hours=window_hours, horizon_minutes=horizon_minutes)
    assert settings.horizon_us == horizon_used_minutes * 60_000_000


@pytest.mark.parametrize(("window_hours", "horizon_minutes"), [(24, 1_436), (1, 56), (24, 2_000)])
def test_a_horizon_that_outreaches_the_dedup_window_is_refused_by_name(window_hours: int, horizon_minutes: int) -> None:
    """A late duplicate would be booked twice: horizon + 5 min must be within the window."""
    with pytest.raises(BadSettingError) as refused:
        load_worker_settings(dedup_window_hours=window_hours, horizon_minutes=horizon_minutes)
    assert f"CREDITSTREAM_HORIZON_MINUTES is {horizon_minutes}" in str(refused.value)
    assert f"at most the dedup window, {window_hours * 60} minutes" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DEDUP_WINDOW_HOURS", "0", "`int` >= 1"),
        ("DEDUP_WINDOW_HOURS", "841", "`int` <= 840"),
        ("CHECKPOINT_INTERVAL_MS", "19", "`int` >= 20"),
        ("CHECKPOINT_INTERVAL_MS", "soon", "Expected `int`"),
        ("HTTP_PORT", "65536", "`int` <= 65535"),
        ("PARTITIONS", "0", "`int` >= 1"),
        ("MERGE_GRACE_MS", "-1", "`int` >= 0"),
        ("SESSION_TIMEOUT_SECONDS", "5", "`int` >= 6"),
        ("DEDUP_MEMORY_MB", "15", "`int` >= 16"),
        ("INSTANCE_ID", "worker 1", "regex"),
        ("INSTANCE_ID", ".hidden", "regex"),
        ("INSTANCE_ID", "a" * 250, "regex"),
        ("LOG_LEVEL", "LOUD", "regex"),
        ("SINGLE_NODE", "maybe", "`bool`"),
        ("TOPIC_PREFIX", "a b", "regex"),
        ("BOOTSTRAP_SERVERS", "", "length >= 1"),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    """Each row is a setting in the environment, a value it cannot have, and what the message says of it."""
    monkeypatch.setenv(f"CREDITSTREAM_{name}", value)
    with pytest.raises(BadSettingError) as refused:
        load_worker_settings()
    for told in (f"CREDITSTREAM_{name}", repr(value), allowed):
        assert told in str(refused.value)


def test_a_bad_setting_ends_the_process_with_2_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message is on stderr."""
    monkeypatch.setenv("CREDITSTREAM_HORIZON_MINUTES", "1436")
    assert main(["worker", "--bootstrap-servers", "nowhere:1"]) == 2
    assert "CREDITSTREAM_HORIZON_MINUTES" in capsys.readouterr().err


def test_options_of_the_command_line_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that was not given leaves the environment's value."""
    monkeypatch.setenv("CREDITSTREAM_HTTP_PORT", "9100")
    monkeypatch.setenv("CREDITSTREAM_APP", "billing")
    settings = load_worker_settings(http_port=9200, app=None)
    assert (settings.http_port, settings.app) == (9200, "billing")


def test_prefix_and_app_are_in_every_name_that_must_be_an_installations_own() -> None:
    """Topics, group and transactional ids: two installations on one cluster never meet."""
    engine = WorkerSettings(topic_prefix="eu.", app="billing").engine
    assert engine.app == "eu.billing"
    assert all(name.startswith("eu.") for name in engine.topics)
    assert engine.progress_topic == "eu.billing-progress"


def test_every_topic_of_the_engine_has_a_spec() -> None:
    """What a partition's state belongs to is created by one command, and checked at start."""
    settings = WorkerSettings()
    assert set(settings.engine.topics) <= {spec.name for spec in settings.specs}
    counts = {spec.name: spec.partitions for spec in settings.specs}
    keyed = [name for name in settings.engine.topics if name != settings.engine.broadcast_topic]
    assert {counts[name] for name in keyed} == {settings.partitions}

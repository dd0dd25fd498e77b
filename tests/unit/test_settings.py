"""Settings from the environment, files and options; bad ones are named."""

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta

from schemas.settings import BadSettingError, KafkaSettings, load_settings


class WorkerSettings(KafkaSettings, frozen=True, kw_only=True):
    """Settings of an imaginary process, with every kind of field there is."""

    checkpoint_ms: Annotated[int, Meta(ge=10, le=60_000)] = 250
    clickhouse_password: Annotated[str, Meta(min_length=8)] = "unset-password"
    api_token: Annotated[str, Meta(max_length=5)] = ""
    single_node: bool = False


def test_without_anything_set_the_defaults_hold() -> None:
    """An empty environment is a working one."""
    settings = load_settings(WorkerSettings, {})
    assert settings == WorkerSettings()
    assert settings.bootstrap_servers == "127.0.0.1:9092"


def test_the_environment_sets_fields_by_their_names() -> None:
    """Numbers and booleans are read from text; what is not ours is ignored."""
    environ = {
        "CREDITSTREAM_BOOTSTRAP_SERVERS": "kafka:9092",
        "CREDITSTREAM_CHECKPOINT_MS": "100",
        "CREDITSTREAM_SINGLE_NODE": "true",
        "CREDITSTREAM_OTHER": "x",
        "CHECKPOINT_MS": "7",
    }
    settings = load_settings(WorkerSettings, environ)
    assert settings == WorkerSettings(bootstrap_servers="kafka:9092", checkpoint_ms=100, single_node=True)


def test_an_option_that_was_given_wins_over_the_environment() -> None:
    """An option that was not given is None, and leaves the environment's."""
    environ = {"CREDITSTREAM_CHECKPOINT_MS": "100", "CREDITSTREAM_APP": "blue"}
    settings = load_settings(WorkerSettings, environ, checkpoint_ms=500, app=None)
    assert (settings.checkpoint_ms, settings.app) == (500, "blue")


def test_an_option_of_zero_or_false_was_given() -> None:
    """Only None means that an option was left out."""
    settings = load_settings(WorkerSettings, {"CREDITSTREAM_SINGLE_NODE": "true"}, single_node=False)
    assert settings.single_node is False


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("CHECKPOINT_MS", "5", ">= 10"),
        ("CHECKPOINT_MS", "99999999", "<= 60000"),
        ("CHECKPOINT_MS", "fast", "`int`"),
        ("CHECKPOINT_MS", "", "`int`"),
        ("SINGLE_NODE", "perhaps", "`bool`"),
        ("BOOTSTRAP_SERVERS", "", ">= 1"),
        ("TOPIC_PREFIX", "a b", "[A-Za-z0-9._-]"),
        ("APP", "", "[A-Za-z0-9._-]"),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_what_is_allowed(name: str, value: str, allowed: str) -> None:
    """Each row is a setting, a bad value, and what the message says is allowed."""
    with pytest.raises(BadSettingError) as raised:
        load_settings(WorkerSettings, {f"CREDITSTREAM_{name}": value})
    message = str(raised.value)
    assert f"CREDITSTREAM_{name} is {value!r}" in message
    assert allowed in message


def test_a_bad_option_is_named_like_a_bad_setting() -> None:
    """Whoever gave it on the command line finds it under the setting's name."""
    with pytest.raises(BadSettingError, match="CREDITSTREAM_CHECKPOINT_MS is 1:"):
        load_settings(WorkerSettings, {}, checkpoint_ms=1)


def test_a_secret_comes_from_a_file_without_its_last_newline(tmp_path: Path) -> None:
    """As container secrets are mounted."""
    file = tmp_path / "password"
    file.write_text("s3cret-s3cret\n")
    settings = load_settings(WorkerSettings, {"CREDITSTREAM_CLICKHOUSE_PASSWORD_FILE": str(file)})
    assert settings.clickhouse_password == "s3cret-s3cret"


def test_a_setting_wins_over_its_file(tmp_path: Path) -> None:
    """The file is then not even read."""
    environ = {"CREDITSTREAM_APP": "blue", "CREDITSTREAM_APP_FILE": str(tmp_path / "missing")}
    assert load_settings(WorkerSettings, environ).app == "blue"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The message names the setting and the file."""
    missing = tmp_path / "missing"
    with pytest.raises(BadSettingError) as raised:
        load_settings(WorkerSettings, {"CREDITSTREAM_CLICKHOUSE_PASSWORD_FILE": str(missing)})
    assert "CREDITSTREAM_CLICKHOUSE_PASSWORD_FILE" in str(raised.value)
    assert str(missing) in str(raised.value)


@pytest.mark.parametrize(("name", "value"), [("CLICKHOUSE_PASSWORD", "hunter2"), ("API_TOKEN", "tk-12345")])
def test_a_bad_secret_is_not_repeated(name: str, value: str) -> None:
    """Each row is a secret that is too short or too long: the message names it, and hides it."""
    with pytest.raises(BadSettingError) as raised:
        load_settings(WorkerSettings, {f"CREDITSTREAM_{name}": value})
    assert f"CREDITSTREAM_{name} is (hidden)" in str(raised.value)
    assert value not in str(raised.value)


def test_a_bad_secret_from_a_file_is_not_repeated(tmp_path: Path) -> None:
    """Where a secret comes from makes no difference."""
    file = tmp_path / "password"
    file.write_text("hunter2")
    with pytest.raises(BadSettingError) as raised:
        load_settings(WorkerSettings, {"CREDITSTREAM_CLICKHOUSE_PASSWORD_FILE": str(file)})
    assert "hunter2" not in str(raised.value)


def test_topic_names_follow_the_settings() -> None:
    """The prefix goes before every topic, the app before those of its worker group."""
    topics = load_settings(KafkaSettings, {"CREDITSTREAM_TOPIC_PREFIX": "eu.", "CREDITSTREAM_APP": "live"}).topics
    assert topics.usage_events == "eu.usage.events"
    assert topics.balances_changelog == "eu.live-balances-changelog"

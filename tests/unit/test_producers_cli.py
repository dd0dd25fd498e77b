"""The command line explains itself, checks before it sends, and ends with a code that says how it went."""

import pytest

from producers.__main__ import main


@pytest.mark.parametrize("subject", ["trace", "workload", "command", "rate-card"])
def test_every_subject_explains_itself_with_examples(subject: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its help names commands that can be copied."""
    with pytest.raises(SystemExit) as ended:
        main([subject, "--help"])
    assert ended.value.code == 0
    assert f"  python -m producers {subject}" in capsys.readouterr().out


def test_a_bad_setting_ends_the_process_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2, with the setting, its value and what is allowed."""
    monkeypatch.setenv("CREDITSTREAM_TOPIC_PREFIX", "a/b")
    assert main(["command", "grant", "--account", "a", "--credits", "1", "--dry-run"]) == 2
    assert "setting CREDITSTREAM_TOPIC_PREFIX is 'a/b'" in capsys.readouterr().err


def test_kafka_that_does_not_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Code 1, with where it was looked for."""
    options = ["--bootstrap-servers", "127.0.0.1:1", "workload", "--flat-out", "--events", "1"]
    assert main(options) == 1
    assert "usage.events at 127.0.0.1:1: Failed to get metadata" in capsys.readouterr().err

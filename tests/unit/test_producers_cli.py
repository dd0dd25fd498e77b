"""The command line explains itself, checks before it sends, and ends with a code that says how it went."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from producers.__main__ import main
from producers.commands import InvalidCommandError, grant_command, top_up_command
from schemas.codec import decode_command, encode_json
from schemas.command import Grant, TopUp
from schemas.payment import Payment

NOW = datetime(2026, 7, 1, tzinfo=UTC)


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


def test_a_dry_run_prints_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly what would be sent."""
    options = ["--account", "acme", "--credits", "2.50", "--id", "c-1", "--source", "ops", "--dry-run"]
    assert main(["command", "top-up", *options, "--payment-reference", "pay-1", "--amount-minor", "4900"]) == 0
    command = decode_command(capsys.readouterr().out.encode())
    assert (command.id, command.source, command.subject) == ("c-1", "ops", "acme")
    assert command.data == TopUp(
        grant="c-1",  # type: ignore[arg-type]
        credits=Decimal("2.5"),
        payment=Payment(reference="pay-1", amount_minor=4_900, currency="USD"),
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--credits", "0"], "credits is 0: give 0.000001 to 1000000000"),
        (["--credits", "-5"], "credits is -5"),
        (["--credits", "1e9999999"], "outside what is counted"),
        (["--credits", "1.0000001"], "more than 6 decimals"),
        (["--credits", "five"], "'five' is not a decimal number"),
        (["--credits", "1", "--account", ""], "subject"),
    ],
)
def test_an_invalid_command_is_not_sent(options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Code 2, and what is allowed."""
    assert main(["command", "grant", "--account", "acme", *options]) == 2
    assert told in capsys.readouterr().err


def test_a_grant_is_named_by_its_command_unless_named() -> None:
    """What is made reads as the same command."""
    command = grant_command(id="c-1", source="s", account="a", credits="100", time=NOW, reason="why")
    assert command.data == Grant(grant="c-1", credits=Decimal(100), reason="why")  # type: ignore[arg-type]
    assert decode_command(encode_json(command)) == command
    named = grant_command(id="c-1", source="s", account="a", credits="100", time=NOW, grant="g-1")
    assert isinstance(named.data, Grant)
    assert named.data.grant == "g-1"


def test_a_currency_has_three_letters() -> None:
    """The error names the field."""
    with pytest.raises(InvalidCommandError, match="currency"):
        top_up_command(id="c", source="s", account="a", credits="1", time=NOW, currency="dollars")


def test_kafka_that_does_not_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Code 1, with where it was looked for."""
    options = ["--bootstrap-servers", "127.0.0.1:1", "workload", "--flat-out", "--events", "1"]
    assert main(options) == 1
    assert "usage.events at 127.0.0.1:1: Failed to get metadata" in capsys.readouterr().err

"""Every kind of command can be asked for on the command line; what the worker would refuse is told first."""

import json
import shlex
from pathlib import Path
from typing import Any, get_args

import pytest

from producers.__main__ import main
from producers.cli_command import EXAMPLES, KINDS
from schemas.codec import decode_command
from schemas.command import CommandData
from schemas.command_check import problems
from tests.processes import ROOT

JsonObject = dict[str, Any]
EXAMPLE_LINES = [line.removeprefix("  python -m producers ") for line in EXAMPLES.splitlines()[1:]]
EVENT_OPTIONS = "--event-source /r --event-id e --partition 3 --offset 17"
EVENT = {"source": "/r", "id": "e", "partition": 3, "offset": 17}
PAID = {"reference": "c-1", "amount_minor": 0, "currency": "USD"}
TEAM_OPTIONS = (
    "--anchor-day 1 --rollover-cap 2500 --rollover-periods 1 --overage billed --price-minor 0.90 --overage-limit 5000 "
    "--renews by-clock --currency EUR --fee-minor 9900 --rate-card-line default"
)
TEAM = {
    "plan": "team",
    "included_credits": "10000",
    "rollover": {"cap_credits": "2500", "periods": 1},
    "overage": {"mode": "billed", "price_minor": "0.9", "limit_credits": "5000"},
    "currency": "EUR",
    "fee_minor": 9900,
    "rate_card_line": "default",
}


def printed(options: str, capsys: pytest.CaptureFixture[str]) -> JsonObject:
    """The data of the command that a dry run prints, without its kind's name."""
    kind, *others = shlex.split(options)
    assert main(["command", kind, "--account", "acme", "--id", "c-1", "--dry-run", *others]) == 0
    text = capsys.readouterr().out
    command = decode_command(text.encode())
    assert problems(command) == []
    assert (command.id, command.source, command.subject) == ("c-1", "cli", "acme")
    data: JsonObject = json.loads(text)["data"]
    assert data.pop("kind") == kind.replace("-", "_")
    return data


def test_there_is_a_subject_for_every_kind() -> None:
    """By the kind's name."""
    kinds = [struct.__struct_config__.tag for struct in get_args(CommandData)]
    assert sorted(name.replace("-", "_") for name in KINDS) == sorted(kinds)


@pytest.mark.parametrize("example", EXAMPLE_LINES)
def test_every_example_is_a_command(
    example: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is printed by the help, from the repository's root."""
    monkeypatch.chdir(ROOT)
    assert main([*shlex.split(example), "--dry-run"]) == 0
    assert decode_command(capsys.readouterr().out.encode()).subject == "acme"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_explains_itself(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With an example that can be copied."""
    with pytest.raises(SystemExit) as ended:
        main(["command", kind, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"  python -m producers command {kind} --account acme {KINDS[kind].example}" in shown
    assert f"\n{KINDS[kind].help.capitalize()}.\n" in shown


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ("grant --credits 2.50", {"grant": "c-1", "credits": "2.5"}),
        ("grant --credits 1e3 --grant g --reason why", {"grant": "g", "credits": "1000", "reason": "why"}),
        (
            "grant --credits 1 --priority 0 --effective-at 2026-12-01T00:00:00Z --expires-at 2027-01-01T01:00:00+01:00",
            {
                "grant": "c-1",
                "credits": "1",
                "priority": 0,
                "effective_at": "2026-12-01T00:00:00Z",
                "expires_at": "2027-01-01T01:00:00+01:00",
            },
        ),
        ("top-up --credits 5", {"grant": "c-1", "credits": "5", "payment": PAID}),
        (
            "top-up --credits 5 --grant g --payment-reference p --amount-minor 4900 --currency EUR --priority 9",
            {
                "grant": "g",
                "credits": "5",
                "priority": 9,
                "payment": {"reference": "p", "amount_minor": 4900, "currency": "EUR"},
            },
        ),
        ("void-grant --grant g", {"grant": "g"}),
        ("void-grant --grant g --spent owe --reason why", {"grant": "g", "spent": "owe", "reason": "why"}),
        ("void-grant --grant g --credits 3", {"grant": "g", "credits": "3"}),
        (f"void-event {EVENT_OPTIONS}", {"event": EVENT}),
        (f"void-event {EVENT_OPTIONS} --credits 1.5 --reason r", {"event": EVENT, "credits": "1.5", "reason": "r"}),
        (f"reprice {EVENT_OPTIONS} --rate-card v2", {"event": EVENT, "rate_card": "v2"}),
        (
            "adjust --credits -20 --reason why --actor mia",
            {"adjustment": "c-1", "credits": "-20", "reason": "why", "actor": "mia"},
        ),
        (
            "adjust --credits 7 --adjustment a --reason why --actor mia",
            {"adjustment": "a", "credits": "7", "reason": "why", "actor": "mia"},
        ),
        (
            "activate-plan --plan p --included-credits 0 --owed waive",
            {"plan": {"plan": "p", "included_credits": "0"}, "overage": "waive"},
        ),
        (f"activate-plan --plan-file {ROOT}/deploy/plans/team.toml --owed keep", {"plan": TEAM, "overage": "keep"}),
        (
            f"change-plan --plan team --included-credits 10000 {TEAM_OPTIONS} --at once",
            {"plan": TEAM, "at": "once"},
        ),
        (
            "change-plan --plan p --included-credits 5 --renews on-payment --anchor-day 31 --at period-end",
            {
                "plan": {"plan": "p", "included_credits": "5", "anchor_day": 31, "renews": "on_payment"},
                "at": "period_end",
            },
        ),
        ("cancel-plan --at period-end", {"at": "period_end"}),
        ("cancel-plan --at once", {"at": "once"}),
        ("renew --period 2026-12-01", {"period": "2026-12-01"}),
        ("set-policy --mode observe", {"mode": "observe"}),
        ("set-policy --mode enforce --owed waive", {"mode": "enforce", "overage": "waive"}),
        ("set-policy --threshold 20% --threshold 50", {"thresholds": [{"percent": 20}, {"credits": "50"}]}),
        ("set-policy --no-thresholds", {"thresholds": []}),
        ("set-policy --refill-off", {"refill": "off"}),
        (
            "set-policy --refill-below 500 --refill-credits 1000 --refill-most-credits 1e4 --refill-most-requests 8",
            {"refill": {"below_credits": "500", "credits": "1000", "most_credits": "10000", "most_requests": 8}},
        ),
        ("refill-paid --request r", {"request": "r", "payment": PAID}),
        ("refill-declined --request r", {"request": "r"}),
        ("refill-declined --request r --no-retry --reason card", {"request": "r", "retry": False, "reason": "card"}),
    ],
)
def test_a_dry_run_prints_what_would_be_sent(
    options: str, data: JsonObject, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each row is a kind with its options, and the command's data."""
    assert printed(options, capsys) == data


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("grant --credits 0", "credits is 0: give 0.000001 to 1000000000"),
        ("grant --credits -5", "credits is -5"),
        ("grant --credits 1e9999999", "outside what is counted"),
        ("grant --credits 1.0000001", "more than 6 decimals"),
        ("grant --credits five", "credits: 'five' is not a decimal number"),
        ("grant --credits 1 --account ''", "subject: Expected `str` of length >= 1"),
        ("grant --credits 1 --priority 101", "priority: Expected `int` <= 100"),
        ("grant --credits 1 --expires-at 2026-12-01", "expires_at: Invalid RFC3339 encoded datetime"),
        ("grant --credits 1 --expires-at 1960-12-01T00:00:00Z", "expires_at is 1960-12-01T00:00:00+00:00: give a time"),
        ("top-up --credits 1 --currency dollars", "payment.currency: Expected `str`"),
        ("top-up --credits 1 --amount-minor -1", "payment.amount_minor: Expected `int` >= 0"),
        ("void-grant --grant g --credits 1 --spent owe", "spent is owe: with credits only what is unspent"),
        (f"void-event {EVENT_OPTIONS} --credits 0", "credits is 0"),
        ("adjust --credits 0 --reason r --actor m", "credits is 0"),
        ("adjust --credits 1 --reason '' --actor m", "reason: Expected `str` of length >= 1"),
        ("activate-plan --owed keep", "plan: Object missing required field `plan`"),
        (
            "activate-plan --plan p --included-credits x --owed keep",
            "plan.included_credits: 'x' is not a decimal",
        ),
        ("activate-plan --plan p --included-credits 1 --overage billed --owed keep", "plan.overage.price_minor is the"),
        ("activate-plan --plan p --included-credits 1 --fee-minor 5 --owed keep", "plan.currency is missing"),
        ("activate-plan --plan-file none.toml --owed keep", "none.toml: cannot be read: "),
        ("change-plan --plan-file p.toml --fee-minor 5 --at once", "leave out fee_minor"),
        ("renew --period tomorrow", "period: Invalid RFC3339 encoded date"),
        ("set-policy", "nothing is set: give mode, thresholds or refill"),
        ("set-policy --owed keep", "overage says what becomes"),
        ("set-policy --threshold 0", "thresholds[1].credits is 0"),
        ("set-policy --threshold 12.5%", "threshold '12.5%' is not a whole percentage"),
        ("set-policy --threshold 101%", "thresholds[0].percent: Expected `int` <= 100"),
        ("set-policy --threshold lots", "threshold: 'lots' is not a decimal number"),
        ("set-policy --refill-below 5", "refill: Object missing required field `credits`"),
        ("set-policy --refill-off --refill-below 5", "--refill-off leaves nothing to ask for"),
        ("set-policy --refill-below 5 --refill-credits 5 --refill-most-requests 0", "refill.most_requests: Expected"),
    ],
)
def test_what_the_worker_would_refuse_is_not_sent(options: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Code 2, and what is allowed; each row is a kind with its options, and what is told."""
    kind, *others = shlex.split(options)
    assert main(["command", kind, "--account", "acme", *others]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plan = ", "is not TOML"),
        ("plan = 'p'\nincluded = 5", "included is unknown; known are plan, included_credits"),
        ("plan = 'p'\nincluded_credits = 5\noverage = { limit = 5 }", "overage.limit is unknown; known are mode"),
        ("plan = 'p'\nincluded_credits = 5\nrollover = 5", "plan.rollover: Expected `object | null`, got `int`"),
        ("plan = 'p'\nincluded_credits = 5\nanchor_day = 0", "plan.anchor_day: Expected `int` >= 1"),
        ("plan = 'p'\nincluded_credits = nan", "plan.included_credits: "),
        ("included_credits = 5", "plan: Object missing required field `plan`"),
        ("#" * (1 << 20) + "#", "larger than 1048576 bytes"),
    ],
)
def test_a_plan_file_that_is_wrong_is_told_by_field(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each row is a file and what is told of it."""
    file = tmp_path / "plan.toml"
    file.write_text(text)
    assert main(["command", "activate-plan", "--account", "acme", "--owed", "keep", "--plan-file", str(file)]) == 2
    assert told in capsys.readouterr().err


def test_a_plan_file_may_have_plain_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are read as decimals: no float touches money."""
    file = tmp_path / "plan.toml"
    overage = 'overage = { mode = "billed", price_minor = 0.1 }'
    file.write_text(f'plan = "p"\nincluded_credits = 1000.000001\ncurrency = "EUR"\n{overage}')
    data = printed(f"change-plan --plan-file {file} --at once", capsys)
    assert data["plan"]["included_credits"] == "1000.000001"
    assert data["plan"]["overage"]["price_minor"] == "0.1"

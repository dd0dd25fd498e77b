"""A trace becomes usage events whose times and tokens are real, and whose people come from a seed."""

import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from producers.__main__ import main
from producers.trace import TraceEvent, TraceReplay, trace_events
from producers.trace_file import Request, TraceFileError, read_trace

ORIGINAL = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:16:00.0000000,0,55
"""
COMPACT = "after_ms,context_tokens,generated_tokens\n0,374,44\n4315,396,109\n9005,0,55\n"
REQUESTS = [Request(1, 0, 374, 44), Request(2, 4_315, 396, 109), Request(3, 13_320, 0, 55)]
BEGIN = datetime(2026, 7, 1, tzinfo=UTC)


def _replay(**changed: object) -> TraceReplay:
    settings = {"run": "r", "begins_at": BEGIN, "lasts": timedelta(days=7), **changed}
    return TraceReplay(**settings)  # type: ignore[arg-type]


def _events(requests: list[Request] = REQUESTS, **changed: object) -> list[TraceEvent]:
    return list(trace_events(requests, _replay(**changed)))


def test_the_shipped_trace_is_all_of_the_dataset() -> None:
    """19,366 requests over 58 minutes and 21.722 seconds, with their tokens."""
    requests = read_trace()
    assert len(requests) == 19_366
    assert requests[0] == Request(1, 0, 374, 44)
    assert requests[-1] == Request(19_366, 3_501_722, 197, 183)


@pytest.mark.parametrize("text", [ORIGINAL, COMPACT])
@pytest.mark.parametrize("name", ["trace.csv", "trace.csv.gz"])
def test_the_original_and_the_compact_form_read_the_same(tmp_path: Path, text: str, name: str) -> None:
    """Plain or gzipped."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert read_trace(path) == REQUESTS
    assert read_trace(path, limit=2) == REQUESTS[:2]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", "begins with 'a,b': expected TIMESTAMP,ContextTokens"),
        ("after_ms,context_tokens,generated_tokens\n0,1,2\n0,x,2\n", "request 2: '0,x,2' is not after_ms"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n", "request 1: 'yesterday,1,2'"),
        ("after_ms,context_tokens,generated_tokens\n", "holds no request"),
    ],
)
def test_a_trace_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    """The error says what was expected."""
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(TraceFileError, match=r"trace\.csv") as failed:
        read_trace(path)
    assert told in str(failed.value)


def test_a_request_becomes_an_event_of_each_thing_it_used() -> None:
    """Prompt tokens, generated tokens, a message; no event of zero tokens."""
    used = [(event.node, event.quantity) for event in _events()]
    assert used == [
        ("llm_prompt", 374),
        ("llm_completion", 44),
        ("message", 1),
        ("llm_prompt", 396),
        ("llm_completion", 109),
        ("message", 1),
        ("llm_completion", 55),
        ("message", 1),
    ]


def test_times_keep_their_proportions() -> None:
    """Stretched over seven days, the second request comes where it came in the original."""
    times = [event.occurred_at for event in _events() if event.node == "message"]
    week_us = 7 * 86_400 * 1_000_000
    assert times == [
        BEGIN,
        BEGIN + timedelta(microseconds=week_us * 4_315 // 13_320),
        BEGIN + timedelta(days=7),
    ]


def test_a_replay_is_repeatable_and_runs_differ() -> None:
    """The same settings give equal events; another run or seed gives other ids."""
    assert _events() == _events()
    ids = [{event.id for event in _events(**changed)} for changed in ({}, {"run": "q"}, {"seed": 2})]
    assert len(set.union(*ids)) == 3 * 8


def test_an_id_names_run_seed_line_and_node() -> None:
    """Nothing else decides it: not the time at which the trace is replayed."""
    later = _events(begins_at=BEGIN + timedelta(days=1))
    assert [event.id for event in later] == [event.id for event in _events()]
    assert later[3].id == "r/1/2/llm_prompt"


def test_the_cast_is_busy_in_different_measure_and_keeps_to_its_conversations() -> None:
    """The first account is the busiest; a conversation has one account, agent and channel."""
    events = _events(read_trace(limit=5_000), accounts=10, agents=3)
    by_account = Counter(event.part.account for event in events)
    assert len(by_account) == 10
    assert by_account.most_common(1)[0][0] == "account-001"
    parts = {event.part for event in events}
    assert len({part.conversation for part in parts}) == len(parts)
    assert {part.agent for part in parts} == {"support", "sales", "billing"}
    assert len({part.channel for part in parts}) == 6


def test_a_cast_of_nobody_is_refused() -> None:
    """The error names the setting."""
    with pytest.raises(ValueError, match="accounts is 0"):
        _replay(accounts=0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trace"], "one of the arguments --live --spread is required"),
        (["trace", "--spread", "a week"], "'a week' is not a duration: write 90m, 12h or 7d"),
        (["trace", "--live", "--speed", "0"], "'0' is not a speed"),
        (["trace", "--live", "--until", "2026-01-01"], "has no zone"),
    ],
)
def test_a_wrong_option_is_explained(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err

"""Questions, answers and the command line, without a ClickHouse."""

import csv
import io
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from schemas.settings import BadSettingError, load_settings
from sinks.__main__ import main
from sinks.answers import as_csv, as_json, as_json_lines, as_table
from sinks.migrate import SchemaError, read_migrations
from sinks.query import Answer, QueryError, parse_hour, read_queries
from sinks.settings import ClickHouseSettings, SinkSettings
from sinks.statements import split_statements
from tests.documents import ROOT

ANSWER = Answer(
    ("node", "events", "credits"),
    [["search", 12, Decimal("1234567.500000")], ['a "b", c', 3, Decimal("-0.000001")], ["x", 0, Decimal("10.000000")]],
)


def test_a_table_is_aligned_and_exact() -> None:
    """Numbers stand to the right, decimals are written in full."""
    assert list(as_table(ANSWER)) == [
        "node      events    credits",
        "--------  ------  ---------",
        "search        12  1234567.5",
        'a "b", c       3  -0.000001',
        "x              0         10",
    ]


def test_csv_reads_back() -> None:
    """Quotes and commas in names survive."""
    assert list(csv.reader(as_csv(ANSWER))) == [
        ["node", "events", "credits"],
        ["search", "12", "1234567.5"],
        ['a "b", c', "3", "-0.000001"],
        ["x", "0", "10"],
    ]


def test_what_is_not_there_and_what_is_true_are_told_in_every_format() -> None:
    """Nothing is empty in text and null in JSON; a column without any number is text."""
    answer = Answer(("at", "closed", "none"), [["now", True, None], [None, False, None]])
    assert list(as_table(answer)) == ["at   closed  none", "---  ------  ----", "now  true", "     false"]
    assert list(as_csv(answer)) == ["at,closed,none", "now,true,", ",false,"]
    assert list(as_json_lines(answer)) == [
        '{"at":"now","closed":true,"none":null}',
        '{"at":null,"closed":false,"none":null}',
    ]


def test_json_keeps_credits_out_of_floats() -> None:
    """Counts are numbers, credits are strings."""
    assert json.loads("".join(as_json(ANSWER)))[0] == {"node": "search", "events": 12, "credits": "1234567.5"}


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "\n", 'a"\n', "a\x00b", "a\u2028b", "a,b", " a "])
def test_csv_keeps_whatever_a_cell_holds(text: str) -> None:
    """Also what would end a line."""
    lines = "".join(f"{line}\n" for line in as_csv(Answer(("a", "b"), [[text, 1], [2, text]])))
    assert list(csv.reader(io.StringIO(lines, newline=""))) == [["a", "b"], [text, "1"], ["2", text]]


def test_an_empty_answer_still_names_its_columns() -> None:
    """In every format in which it can."""
    empty = Answer(("a", "b"), [])
    assert list(as_table(empty)) == ["a  b", "-  -", "(no rows)"]
    assert list(as_csv(empty)) == ["a,b"]
    assert list(as_json(empty)) == ["[]"]
    assert list(as_json_lines(empty)) == []


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-01", "2026-11-01 00:00:00"),
        ("2026-11-01T14:00:00Z", "2026-11-01 14:00:00"),
        ("2026-11-01T14:00:00+05:00", "2026-11-01 09:00:00"),
    ],
)
def test_days_and_hours_are_taken_in_utc(text: str, hour: str) -> None:
    """A day is its midnight; other zones are converted."""
    assert parse_hour(text) == hour


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("yesterday", "neither a day"),
        ("2026-13-01", "neither a day"),
        ("2026-11-01T14:00:00", "no time zone"),
        ("2026-11-01T14:30:00Z", "not on a whole hour"),
        ("2026-11-01T14:00:00+05:30", "not on a whole hour"),
        ("1960-01-01", "not between the years"),
    ],
)
def test_other_times_are_refused_with_what_is_allowed(text: str, problem: str) -> None:
    """The message shows the text and the fix."""
    with pytest.raises(QueryError, match=problem):
        parse_hour(text)


def test_every_query_says_what_it_answers_and_needs() -> None:
    """The file's first line is its help; the parameters are those of the SQL."""
    queries = read_queries()
    account, times = {"account"}, {"from", "to"}
    assert {name: query.parameters for name, query in queries.items()} == {
        "agents": account | times,
        "alerts": account | times | {"limit"},
        "balance": account,
        "bills": account,
        "burned": account | times,
        "channels": account | times,
        "credits": account,
        "history": account | times | {"limit"},
        "nodes": account | times,
        "period": account,
        "purchases": account | times,
        "refills": account,
        "statement": account | {"first", "limit"},
        "trend": account | times,
        "why": account | {"first", "last", "limit"},
    }
    for query in queries.values():
        told = query.sql.split("-- Parameters: ")[1].split(".\n")[0]
        assert {part.split(" (")[0] for part in told.split(", ")} == query.parameters
    for query in queries.values():
        assert query.answers.startswith(("Daily usage", "Usage", "What"))
        assert f"query {query.name} --account acme" in query.sql


def test_every_query_is_documented() -> None:
    """A row each, of what its rows are."""
    text = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z]+)` \| .+ \|$", text, re.M)) == read_queries().keys()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["query"], "a query is named first"),
        (["query", "nope"], "there is no query 'nope': agents, alerts, balance"),
        (["query", "trend", "--account", "a", "--from", "2026-11-02", "--to", "2026-11-02"], "is not before"),
        (["query", "trend", "--account", "a"], "needs --from, --to"),
        (["query", "balance"], "needs --account"),
        (["query", "history", "--account", "a", "--limit", "0"], "--limit 0 is not above 0"),
    ],
)
def test_a_question_that_cannot_be_asked_ends_with_2(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before ClickHouse is asked anything."""
    assert main(arguments) == 2
    assert problem in capsys.readouterr().err


def test_a_bad_setting_ends_with_2_and_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The value and what is allowed are in the message."""
    monkeypatch.setenv("CREDITSTREAM_SINK_FLUSH_ROWS", "many")
    assert main(["worker"]) == 2
    assert "CREDITSTREAM_SINK_FLUSH_ROWS is 'many'" in capsys.readouterr().err


def test_list_names_every_query(capsys: pytest.CaptureFixture[str]) -> None:
    """With what it answers."""
    assert main(["query", "--list"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == read_queries().keys()


def test_insert_settings_are_pairs() -> None:
    """Anything else is a bad setting by name."""
    given = load_settings(
        ClickHouseSettings,
        {"CREDITSTREAM_CLICKHOUSE_INSERT_SETTINGS": "insert_quorum=auto, insert_quorum_parallel=1"},
    )
    assert given.insert_settings == {"insert_quorum": "auto", "insert_quorum_parallel": "1"}
    for wrong in ("insert_quorum", "=auto", "insert_quorum="):
        with pytest.raises(BadSettingError, match="CREDITSTREAM_CLICKHOUSE_INSERT_SETTINGS"):
            _ = load_settings(ClickHouseSettings, {"CREDITSTREAM_CLICKHOUSE_INSERT_SETTINGS": wrong}).insert_settings


def test_a_database_name_cannot_carry_sql() -> None:
    """It is written into statements."""
    with pytest.raises(BadSettingError, match="CREDITSTREAM_CLICKHOUSE_DATABASE"):
        load_settings(ClickHouseSettings, {"CREDITSTREAM_CLICKHOUSE_DATABASE": "x; DROP TABLE y"})


def test_sinks_of_one_installation_share_a_group() -> None:
    """Another prefix or app is another group."""
    assert SinkSettings().group == "creditstream-sink"
    assert SinkSettings(topic_prefix="t1.", app="blue").group == "t1.blue-sink"


def test_statements_end_at_semicolons_outside_of_texts_and_comments() -> None:
    """Quotes and comments may hold semicolons."""
    sql = "-- one; two\nSELECT ';', \"a;b\", `c;d` /* e;f */;\n\nSELECT 'it''s; \\'fine\\''; -- end;\n"
    assert split_statements(sql) == ["SELECT ';', \"a;b\", `c;d`", "SELECT 'it''s; \\'fine\\''"]


def test_migrations_are_numbered_without_gaps() -> None:
    """The repository's own; other folders are refused."""
    assert [migration.number for migration in read_migrations()] == list(range(1, len(read_migrations()) + 1))


@pytest.mark.parametrize(
    "names", [["0002_b.sql"], ["0001_a.sql", "0003_c.sql"], ["0001_a.sql", "0001_b.sql"], ["x.sql"]]
)
def test_wrongly_numbered_migrations_are_refused(names: list[str], tmp_path: Path) -> None:
    """Before anything is applied."""
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(SchemaError):
        read_migrations(tmp_path)

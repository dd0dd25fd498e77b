"""What SECURITY.md claims is there: its tests, its rules for every topic, its roles."""

import re

from schemas.settings import KafkaSettings
from schemas.topics import topic_specs
from sinks.feeds import TABLES, feeds
from sinks.migrate import read_migrations
from stream.settings import WorkerSettings
from tests.documents import setting_names
from tests.integration.kafka_rules import written_rules
from tests.processes import ROOT

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
TOPICS = {spec.name for spec in topic_specs(KafkaSettings().topics, partitions=1, replication=1)}


def allowed(user: str, *operations: str) -> set[str]:
    """The topics on which the rules let the user do one of these."""
    rules = written_rules()
    return {rule.name for rule in rules if rule.kind == "topic" and rule.user == user and rule.operation in operations}


def test_every_test_that_is_named_exists() -> None:
    """By its file and its name."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TEXT)
    assert len(named) > 15
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"


def test_every_defence_names_what_shows_it() -> None:
    """No row of the threats ends in a promise."""
    threats = TEXT.partition("| from whom |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(threats) > 12
    assert [row for row in threats if "::test_" not in row.rsplit("|", 2)[1]] == []


def test_every_setting_that_is_named_exists() -> None:
    """Or is the file of one."""
    named = {name.removesuffix("_FILE") for name in re.findall(r"\bCREDITSTREAM_[A-Z_]+\b", TEXT)}
    assert named
    assert named <= setting_names()


def test_the_rules_are_for_topics_that_exist_and_for_all_of_them() -> None:
    """A topic that is added needs rules."""
    ruled = {rule.name for rule in written_rules() if rule.kind == "topic" and not rule.name.startswith("__")}
    assert ruled == TOPICS == allowed("operator", "Create") == allowed("worker", "DescribeConfigs")


def test_the_worker_may_write_what_it_writes_and_read_what_it_reads() -> None:
    """As its engine is told of them; a take-over reads the last records of every output."""
    engine = WorkerSettings().engine
    state = {*engine.state_topics, engine.progress_topic, KafkaSettings().topics.dedup_log}
    assert allowed("worker", "Write") == {*engine.outputs, *engine.notices, *state}
    assert allowed("worker", "Read") == {*engine.inputs, engine.broadcast_topic, *engine.outputs, *state}


def test_the_sink_may_read_what_it_reads() -> None:
    """And writes dead letters alone."""
    topics = KafkaSettings().topics
    assert allowed("sink", "Read") == set(feeds(topics))
    assert allowed("sink", "Write") == {topics.sink_dead_letters}


def test_the_writers_role_may_insert_into_every_table_that_the_sink_writes() -> None:
    """A table that is added needs a grant, in a migration of its own."""
    granted = {
        table
        for migration in read_migrations()
        if migration.optional
        for statement in migration.statements
        for table in re.findall(r"^GRANT INSERT ON \$\{database\}\.(\w+) TO \$\{database\}_writer$", statement)
    }
    assert granted == {table.name for table in TABLES}


def test_the_roles_that_are_named_are_those_of_the_migrations() -> None:
    """In a database of the usual name."""
    stated = "\n".join(
        statement for migration in read_migrations() if migration.optional for statement in migration.statements
    )
    made = set(re.findall(r"^CREATE ROLE IF NOT EXISTS \$\{database\}_(\w+)$", stated, re.MULTILINE))
    assert made == set(re.findall(r"^\| `creditstream_(\w+)` \|", TEXT, re.MULTILINE))

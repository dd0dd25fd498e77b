"""Events that a real worker booked are voided and priced anew, over restarts, to the last figure of ClickHouse."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from producers import UsageReporter
from tests.conftest import CreateTopics
from tests.integration.commands import ended
from tests.integration.system import (
    CATCH_UP_SECONDS,
    PARTITIONS,
    RATE_CARD,
    System,
    clickhouse_figures,
    clickhouse_settings,
    running_system,
)
from tests.processes import wait_until
from tests.servers import ClickHouseServer, KafkaServer

ACCOUNTS = ("acme", "bolt")


@pytest.fixture
def system(kafka: KafkaServer, create_topics: CreateTopics, tmp_path: Path) -> Iterator[System]:
    """With a second rate card, by which messages cost three times as much, in force ten years from now."""
    with running_system(kafka, create_topics(partitions=PARTITIONS), tmp_path) as system:
        card = tmp_path / "dearer.toml"
        lines = RATE_CARD.read_text().splitlines()
        card.write_text("\n".join(map(_dearer, lines)))
        system.run("producers", "rate-card", "publish", str(card))
        yield system


def _dearer(line: str) -> str:
    if line.startswith("version"):
        return 'version = "dearer"'
    if line.startswith("effective_at"):
        return "effective_at = 2036-01-01T00:00:00Z"
    return line.replace('credits_per_unit = "1"', 'credits_per_unit = "3"')


def report(system: System, ids: Sequence[str]) -> None:
    """A message of each account under each id."""
    servers = system.kafka.bootstrap_servers
    with UsageReporter(bootstrap_servers=servers, topic=system.topics.usage_events, source="/runtime") as reporter:
        for account in ACCOUNTS:
            for id_ in ids:
                reporter.report(account=account, agent="ada", conversation="c1", channel="api", node="message", id=id_)


def correct(system: System, kind: str, account: str, id_: str, *options: str) -> None:
    """A command about an event, by what `explain` says of it."""
    event = explained(system, account, id_)
    place = ("--partition", str(event["partition"]), "--offset", str(event["offset"]))
    named = ("--account", account, "--event-source", "/runtime", "--event-id", id_)
    system.run("producers", "command", kind, *named, *place, *options)


def explained(system: System, account: str, id_: str) -> dict[str, object]:
    """What `explain` says of an event."""
    done = ended(system.settings, "stream", "explain", "--account", account, "--event", "/runtime", id_, "--json")
    assert done.returncode == 0, done.stderr
    *_, last = map(json.loads, done.stdout.splitlines())
    event: dict[str, object] = last["summary"]["event"]
    return event


def test_events_are_corrected_exactly_once_whenever_they_were_booked(
    system: System, clickhouse: ClickHouseServer, database: str
) -> None:
    """Before a kill -9, and right after; voided, priced anew, then voided; all figures follow, in ClickHouse too."""
    worker = system.worker(instance_id="one")
    system.sink(clickhouse, database)
    report(system, ["1", "2", "3", "4"])
    system.wait_booked()
    worker.kill()
    worker.restart()
    report(system, ["5"])
    for account in ACCOUNTS:
        correct(system, "void-event", account, "1")
        correct(system, "void-event", account, "1")
        correct(system, "reprice", account, "2", "--rate-card", "dearer")
    system.wait_booked()
    worker.kill()
    worker.restart()
    correct(system, "void-event", "acme", "2", "--credits", "0.5")
    times = ("--from", (datetime.now(UTC) - timedelta(hours=2)).isoformat(), "--to", "2036-01-01")
    asked = ("stream", "reprice", "--rate-card", "dearer", *times, "--account", "bolt")
    system.wait_booked()
    preview = ended(system.settings, *asked)
    assert preview.returncode == 0, preview.stderr
    assert preview.stdout.splitlines()[-1] == "nothing was sent: with --yes 3 commands are"
    for expected in ("sent 3 commands", "left out: 4 events: was priced by that card before"):
        done = ended(system.settings, *asked, "--yes")
        assert expected in done.stdout, done.stdout + done.stderr
        system.wait_booked()
    told = [explained(system, "bolt", id_)["costs_credits"] for id_ in "12345"]
    charged = explained(system, "bolt", "1")["charged_credits"]
    assert told == ["0", *[str(3 * int(str(charged)))] * 4]
    expected_ = system.assert_exact()
    assert expected_.dropped_commands == 2
    wait_until(lambda: not clickhouse_figures(clickhouse, database, expected_), CATCH_UP_SECONDS)
    settings = {**system.settings, **clickhouse_settings(clickhouse, database)}
    verified = ended(settings, "sinks", "verify-ledger")
    assert verified.returncode == 0, verified.stdout + verified.stderr

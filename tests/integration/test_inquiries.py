"""`explain`, `simulate` and `forecast` of what a real worker booked."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from producers import UsageReporter
from tests.conftest import CreateTopics
from tests.integration.commands import ended
from tests.integration.system import PARTITIONS, RATE_CARD, System, running_system
from tests.servers import KafkaServer

EVENTS = 5


@pytest.fixture
def system(kafka: KafkaServer, create_topics: CreateTopics, tmp_path: Path) -> Iterator[System]:
    """An account that got 100 credits and sent some messages, all of it booked."""
    with running_system(kafka, create_topics(partitions=PARTITIONS), tmp_path) as system:
        system.worker()
        system.run("producers", "command", "grant", "--account", "acme", "--credits", "100", "--grant", "welcome")
        with UsageReporter(
            bootstrap_servers=kafka.bootstrap_servers, topic=system.topics.usage_events, source="/runtime"
        ) as reporter:
            for number in range(EVENTS):
                reporter.report(
                    account="acme", agent="ada", conversation="c1", channel="api", node="message", id=f"e{number}"
                )
        system.wait_booked()
        yield system


def test_what_a_worker_booked_is_explained_simulated_and_forecast(system: System) -> None:
    """Its entries chain, their charges are found; the same card comes to the same cost; a day of use is not known."""
    done = ended(system.settings, "stream", "explain", "--account", "acme", "--json")
    assert done.returncode == 0, done.stderr
    *entries, last = map(json.loads, done.stdout.splitlines())
    events = [each for each in entries if each["cause"] == "event"]
    assert len(events) == EVENTS
    assert {each["charge"]["node"] for each in events} == {"message"}
    assert last["summary"]["chain"] == "holds"
    now = datetime.now(UTC)
    times = ("--from", (now - timedelta(hours=2)).isoformat(), "--to", (now + timedelta(hours=1)).isoformat())
    done = ended(system.settings, "stream", "simulate", "--rate-card", str(RATE_CARD), *times, "--format", "json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["account"], row["charges"], row["difference"]) == ("acme", EVENTS, "0")
    done = ended(system.settings, "stream", "forecast", "--json")
    assert done.returncode == 0, done.stderr
    (told,) = map(json.loads, done.stdout.splitlines())
    assert (told["account"], told["state"]) == ("acme", "unknown")
    assert told["remaining_credits"] == last["summary"]["balance_credits"]
    assert told["used_last_day_credits"] == row["recorded"]

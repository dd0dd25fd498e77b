"""Whatever crashes, every accepted event is in balances, rollups, charges and ClickHouse exactly once."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from producers.workload_settings import WorkloadSettings
from tests.conftest import CreateTopics
from tests.integration.system import (
    CATCH_UP_SECONDS,
    PARTITIONS,
    System,
    clickhouse_figures,
    running_system,
)
from tests.processes import wait_until
from tests.servers import ClickHouseServer, KafkaServer


@pytest.fixture
def system(kafka: KafkaServer, create_topics: CreateTopics, tmp_path: Path) -> Iterator[System]:
    """An installation of this test's own, with four partitions and the shipped rate card."""
    with running_system(kafka, create_topics(partitions=PARTITIONS), tmp_path) as system:
        yield system


def load(events: int, **changes: object) -> WorkloadSettings:
    """A workload of now, with duplicates, late and malformed events of every kind."""
    settings: dict[str, object] = {
        "accounts": 500,
        "events": events,
        "malformed": 0.01,
        "started_at": datetime.now(UTC),
        "partitions": PARTITIONS,
    }
    return WorkloadSettings(**{**settings, **changes})  # type: ignore[arg-type]


def test_clickhouse_holds_exactly_what_the_oracle_computes(
    system: System, clickhouse: ClickHouseServer, database: str
) -> None:
    """A workload with duplicates, late and malformed events ends in ClickHouse to the microcredit."""
    system.worker()
    system.sink(clickhouse, database)
    system.send(load(20_000))
    system.wait_booked()
    expected = system.assert_exact()
    assert expected.dropped_events > 100
    assert len(set(expected.dead_letters.values())) > 12
    wait_until(lambda: not clickhouse_figures(clickhouse, database, expected), CATCH_UP_SECONDS)


def test_a_killed_worker_and_sink_lose_and_double_nothing(
    system: System, clickhouse: ClickHouseServer, database: str
) -> None:
    """Worker and sink die by kill -9 halfway, and go on where they were."""
    worker, sink = system.worker(), system.sink(clickhouse, database)
    sending = in_background(lambda: system.send(load(24_000), rate=3_000))
    time.sleep(4)
    for process in (worker, sink):
        process.kill()
        process.restart()
    sending.join()
    system.wait_booked()
    expected = system.assert_exact()
    wait_until(lambda: not clickhouse_figures(clickhouse, database, expected), CATCH_UP_SECONDS)


def test_a_rebalance_between_two_workers_changes_no_figure(system: System) -> None:
    """A second worker joins, the first one is stopped in order, and returns, while events flow."""
    first = system.worker()
    first.wait_ready()
    sending = in_background(lambda: system.send(load(30_000), rate=2_500))
    second = system.worker()
    second.wait_ready()
    assert first.stop() == 0
    first.restart()
    first.wait_ready()
    sending.join()
    system.wait_booked()
    system.assert_exact()


def test_a_zombie_worker_is_fenced(system: System) -> None:
    """A worker that stood still for longer than the session, and then goes on, writes nothing more."""
    zombie = system.worker()
    zombie.wait_ready()
    sending = in_background(lambda: system.send(load(30_000), rate=2_000))
    time.sleep(2)
    zombie.signal(signal.SIGSTOP)
    other = system.worker()
    other.wait_ready()
    time.sleep(3)
    zombie.signal(signal.SIGCONT)
    sending.join()
    system.wait_booked()
    system.assert_exact()


@pytest.mark.parametrize(
    "crash_point",
    [
        "checkpoint.begun:3",
        "checkpoint.produced:3",
        "checkpoint.committed:3",
        "takeover.fenced:2",
        "takeover.claimed:2",
        "takeover.restored:2",
    ],
)
def test_a_crash_at_a_named_point_changes_no_figure(system: System, crash_point: str) -> None:
    """The worker dies at that step of a checkpoint or of a take-over, and another start goes on."""
    # With a name it is back in its group at once: whoever had none waits until the session of the dead is over.
    worker = system.worker(crash_point=crash_point, instance_id="one")
    system.send(load(4_000))
    assert worker.wait(60) == -signal.SIGKILL
    worker.restart(crash_point="")
    system.wait_booked()
    system.assert_exact()


def test_a_killed_process_beside_a_worker_changes_no_figure(system: System) -> None:
    """Whatever it had rolled up is in segments that stay as they were written."""
    worker = system.worker()
    worker.wait_ready()
    sending = in_background(lambda: system.send(load(12_000), rate=4_000))
    killed = set()
    while sending.is_alive():
        time.sleep(0.4)
        for pid in worker.children():
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    sending.join()
    system.wait_booked()
    system.assert_exact()
    assert len(killed) > 1
    assert "failed" not in worker.said()


def in_background(work: object) -> threading.Thread:
    """Run it in a thread, started."""
    thread = threading.Thread(target=work)  # type: ignore[arg-type]
    thread.start()
    return thread

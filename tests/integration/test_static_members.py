"""Workers with a name in their group: a restart moves nothing of the others, and a name belongs to one worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from stream.engine.progress import CLAIM_KEY, decode_claim
from tests.conftest import CreateTopics
from tests.integration.system import PARTITIONS, System, running_system
from tests.integration.test_exactly_once import in_background, load
from tests.processes import Running, wait_until
from tests.servers import KafkaServer

# Longer than any restart takes on a busy machine: within it, nothing is to move.
SESSION_SECONDS = 60


@pytest.fixture
def system(kafka: KafkaServer, create_topics: CreateTopics, tmp_path: Path) -> Iterator[System]:
    """An installation of this test's own, with four partitions and the shipped rate card."""
    with running_system(kafka, create_topics(partitions=PARTITIONS), tmp_path) as system:
        yield system


def named(system: System, name: str) -> Running:
    """A worker of that name."""
    return system.worker(instance_id=name, session_timeout_seconds=SESSION_SECONDS)


def running_partitions(worker: Running) -> set[str]:
    """The partitions that the worker books."""
    lines = worker.get("/metrics")[1].splitlines()
    return {
        line.split('"')[1] for line in lines if line.startswith("creditstream_partition_phase{") and "running" in line
    }


def shared(workers: list[Running]) -> bool:
    """Whether each has some partitions, and together they have all."""
    owned = [running_partitions(worker) for worker in workers]
    return all(owned) and sum(map(len, owned)) == PARTITIONS


def claims(system: System) -> list[tuple[int, int]]:
    """Every take-over so far: its partition, and the process that did it."""
    consumer = Consumer(
        {
            "bootstrap.servers": system.kafka.bootstrap_servers,
            "group.id": "claims",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(system.topics.progress, number, 0) for number in range(PARTITIONS)])
    found, ended = [], 0
    while ended < PARTITIONS:
        for message in consumer.consume(1_000, 1.0):
            if message.error() is not None:
                ended += 1
            elif message.key() == CLAIM_KEY:
                found.append((message.partition() or 0, decode_claim(message.value() or b"").process))
    consumer.close()
    return found


def test_a_rolling_restart_of_named_workers_moves_no_partition(system: System) -> None:
    """Each takes its own partitions over again, once; the other's go on without a rebalance; every figure is exact."""
    workers = [named(system, "a"), named(system, "b")]
    wait_until(lambda: shared(workers), 60)
    sending = in_background(lambda: system.send(load(24_000), rate=2_000))
    owned = [running_partitions(worker) for worker in workers]
    before = claims(system)
    pids = []
    for worker in workers:
        assert worker.stop() == 0
        worker.restart()
        pids.append(worker.pid)
        worker.wait_ready()
    sending.join()
    system.wait_booked()
    assert [running_partitions(worker) for worker in workers] == owned
    taken_over = sorted(claims(system))
    for each in before:
        taken_over.remove(each)
    expected = [(int(number), pid) for pid, numbers in zip(pids, owned, strict=True) for number in numbers]
    assert taken_over == sorted(expected)
    system.assert_exact()


def test_a_worker_whose_name_another_one_takes_ends_and_says_so(system: System) -> None:
    """The group keeps the one that joined last; the first does not take the name back, and nothing is booked twice."""
    first = named(system, "twin")
    first.wait_ready()
    sending = in_background(lambda: system.send(load(12_000), rate=2_000))
    second = named(system, "twin")
    assert first.wait(60) == 1
    assert "another worker joined the group as instance 'twin'" in first.log.read_text()
    sending.join()
    wait_until(lambda: len(running_partitions(second)) == PARTITIONS, 60)
    system.wait_booked()
    system.assert_exact()

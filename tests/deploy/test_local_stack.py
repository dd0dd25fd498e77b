"""The local Kafka and ClickHouse as a person uses them: start, find again, crash, stop."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from deploy.local import __main__ as command_line
from deploy.local import kafka
from deploy.local.clickhouse import LocalClickHouse
from deploy.local.errors import LocalStackError, PortTakenError
from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from deploy.local.stack import LocalStack
from tests.topics import make_topics

WAIT_SECONDS = 30


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalKafka]:
    broker = LocalKafka(tmp_path / "kafka", owner_pid=os.getpid(), heap_mib=256)
    yield broker
    broker.kill()


@pytest.fixture
def clickhouse_process(tmp_path: Path) -> Iterator[LocalClickHouse]:
    process = LocalClickHouse(tmp_path / "clickhouse", owner_pid=os.getpid())
    yield process
    process.kill()


def test_what_was_acknowledged_is_there_after_a_crash_of_the_broker(broker: LocalKafka) -> None:
    """A killed broker comes back on its port with its topics and records."""
    broker.start()
    address = broker.bootstrap_servers
    make_topics(address, [NewTopic("kept", 1, 1)])
    producer = Producer({"bootstrap.servers": address})
    producer.produce("kept", b"value")
    assert producer.flush(WAIT_SECONDS) == 0
    broker.kill()
    assert not broker.answers()
    broker.start()
    assert broker.bootstrap_servers == address
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader"})
    consumer.assign([TopicPartition("kept", 0, 0)])
    message = consumer.poll(WAIT_SECONDS)
    consumer.close()
    assert message is not None
    assert message.value() == b"value"


def test_a_broker_that_does_not_come_up_is_said_with_the_end_of_its_log(tmp_path: Path) -> None:
    """The message has Java's own words and the path of the log, and nothing is left running."""
    broker = LocalKafka(tmp_path, owner_pid=os.getpid(), heap_mib=1)
    with pytest.raises(LocalStackError, match=r"(?s)Kafka ended while starting.*kafka.log ends with:\n.*heap"):
        broker.start()
    assert broker.pid is None


def test_a_port_that_was_asked_for_and_is_taken_is_refused(tmp_path: Path) -> None:
    """No other port is taken in silence."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortTakenError, match="ClickHouse cannot listen on"):
            LocalClickHouse(tmp_path, other.getsockname()[1]).start()


def test_a_free_port_that_is_taken_before_the_broker_binds_it_is_exchanged(
    broker: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller's port too: the broker comes up on others."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = iter([other.getsockname()[1]])
        monkeypatch.setattr(kafka, "free_port", lambda: next(ports, None) or free_port())
        broker.start()
    assert broker.answers()
    assert next(ports, None) is None


def test_rows_are_there_after_a_crash_of_clickhouse(clickhouse_process: LocalClickHouse) -> None:
    """A killed ClickHouse comes back on its port with what it had answered for."""
    clickhouse_process.start()
    port = clickhouse_process.port
    with clickhouse_connect.get_client(host=clickhouse_process.host, port=port) as client:
        client.command("CREATE TABLE kept (n UInt8) ENGINE = MergeTree ORDER BY n")
        client.insert("kept", [[1, 2]], ["n"], column_oriented=True)
        clickhouse_process.kill()
        assert not clickhouse_process.answers()
        clickhouse_process.start()
        assert clickhouse_process.port == port
        assert client.command("SELECT count() FROM kept") == 2


def test_a_second_process_is_refused_the_folder_of_the_first(clickhouse_process: LocalClickHouse) -> None:
    """Two engines on one folder would destroy it: the second says so and ends."""
    clickhouse_process.start()
    folder = clickhouse_process.folder
    options = ["--data", str(folder / "data"), "--port", "0", "--users", str(folder / "users.json")]
    second = subprocess.run(
        [sys.executable, "-m", "deploy.local.clickhouse_http", *options], capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "another process serves" in second.stderr


def test_a_hanging_clickhouse_is_not_said_to_answer(clickhouse_process: LocalClickHouse) -> None:
    """That its process lives is not enough."""
    clickhouse_process.start()
    clickhouse_process.freeze()
    assert not clickhouse_process.answers()
    clickhouse_process.thaw()
    assert clickhouse_process.answers()


def test_start_status_and_stop_do_what_they_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second start finds the first, status tells where both are, stop ends both, and all are safe to repeat."""
    data = ["--data", str(tmp_path / "stack")]
    assert command_line.main(["status", *data]) == 1
    try:
        assert command_line.main(["start", *data]) == 0
        first = capsys.readouterr().out
        pids = [service.pid for service in services(tmp_path)]
        assert command_line.main(["start", *data]) == 0
        assert capsys.readouterr().out in first
        assert [service.pid for service in services(tmp_path)] == pids
        assert command_line.main(["status", *data]) == 0
        assert capsys.readouterr().out.count("answers on 127.0.0.1:") == 2
        assert f"export CREDITSTREAM_BOOTSTRAP_SERVERS={services(tmp_path)[0].host}" in first
    finally:
        assert command_line.main(["stop", *data]) == 0
    assert [service.pid for service in services(tmp_path)] == [None, None]
    assert command_line.main(["stop", *data]) == 0
    assert command_line.main(["status", *data]) == 1


def services(tmp_path: Path) -> list[LocalKafka | LocalClickHouse]:
    stack = LocalStack(tmp_path / "stack")
    return [stack.kafka, stack.clickhouse]

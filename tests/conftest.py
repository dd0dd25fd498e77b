"""What all tests may ask for: a real Kafka, a real ClickHouse, and names that no other test has."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import hypothesis
import pytest

from schemas.topics import TopicNames
from tests.servers import ClickHouseServer, KafkaServer
from tests.shared_stack import SharedStack
from tests.topics import delete_topics, make_topics, new_topics

# What an example takes is the machine's affair; benchmarks measure.
hypothesis.settings.register_profile("creditstream", deadline=None)
hypothesis.settings.load_profile("creditstream")

_STACK = pytest.StashKey[SharedStack]()

CreateTopics = Callable[..., TopicNames]


def pytest_configure(config: pytest.Config) -> None:
    """Workers join the stack of the process that started them; that process owns one."""
    given = getattr(config, "workerinput", None)
    if given is None:
        config.stash[_STACK] = SharedStack.create()
    else:
        config.stash[_STACK] = SharedStack(Path(given["stack_folder"]), given["stack_owner_pid"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the stack is."""
    stack = node.config.stash[_STACK]
    node.workerinput["stack_folder"] = str(stack.folder)
    node.workerinput["stack_owner_pid"] = stack.owner_pid


def pytest_unconfigure(config: pytest.Config) -> None:
    """The owner ends the stack, after Ctrl-C too."""
    if not hasattr(config, "workerinput") and _STACK in config.stash:
        config.stash[_STACK].close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that asks for Kafka or ClickHouse is marked `stack`, so that `-m "not stack"` leaves it out."""
    for item in items:
        if {"kafka", "clickhouse"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("stack")


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> KafkaServer:
    """The broker of this test session."""
    return pytestconfig.stash[_STACK].kafka()


@pytest.fixture(scope="session")
def clickhouse(pytestconfig: pytest.Config) -> ClickHouseServer:
    """The ClickHouse of this test session."""
    return pytestconfig.stash[_STACK].clickhouse()


@pytest.fixture
def topic_prefix() -> str:
    """The start of topic names that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}."


@pytest.fixture
def database(clickhouse: ClickHouseServer) -> Iterator[str]:
    """An empty database that no other test has, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with clickhouse_connect.get_client(
        host=clickhouse.host, port=clickhouse.port, username=clickhouse.user, password=clickhouse.password
    ) as client:
        client.command(f"CREATE DATABASE {name}")
        yield name
        client.command(f"DROP DATABASE IF EXISTS {name} SYNC")


@pytest.fixture
def create_topics(kafka: KafkaServer, topic_prefix: str) -> Iterator[CreateTopics]:
    """`create_topics(partitions=4, app=…)` makes all of creditstream's topics under the prefix, removed afterwards."""
    made: list[str] = []

    def create(partitions: int = 4, app: str = "creditstream", **retention: int) -> TopicNames:
        names = TopicNames(prefix=topic_prefix, app=app)
        topics = new_topics(names, partitions, **retention)
        made.extend(topic.topic for topic in topics)
        make_topics(kafka.bootstrap_servers, topics)
        return names

    yield create
    if made:
        delete_topics(kafka.bootstrap_servers, made)

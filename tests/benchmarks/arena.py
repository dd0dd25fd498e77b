"""Topics of one round, under a prefix of their own, with a load waiting in them."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from msgspec import Struct

from schemas.topics import TopicNames
from tests.benchmarks.loads import Load
from tests.benchmarks.process import running

PARTITIONS = 4
RATE_CARD = Path(__file__).resolve().parents[2] / "deploy" / "rate-cards" / "2026-01.toml"
_LONGEST_PREPARATION_SECONDS = 300
_ADMIN_SECONDS = 30


class Arena(Struct, frozen=True):
    """Where contestants meet: the same events for each, topics of its own for what it writes."""

    servers: str
    prefix: str
    load: Load
    folder: Path

    @property
    def names(self) -> TopicNames:
        """The worker's topics; the input is read by all."""
        return TopicNames(prefix=self.prefix)

    @property
    def ceiling_names(self) -> TopicNames:
        """The topics that the ceiling writes to."""
        return TopicNames(prefix=f"{self.prefix}ceiling.")

    @property
    def environment(self) -> dict[str, str]:
        """The settings that every creditstream process of this round gets."""
        return {"CREDITSTREAM_BOOTSTRAP_SERVERS": self.servers, "CREDITSTREAM_TOPIC_PREFIX": self.prefix}


@contextmanager
def arena(servers: str, load: Load, folder: Path, *, compressed: bool = True) -> Iterator[Arena]:
    """A round's topics with the rate card published and the load in place; removed at the end of the block."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    made = Arena(servers, prefix, load, folder / prefix)
    made.folder.mkdir(parents=True)
    try:
        if not compressed:
            _create_uncompressed_input(made)
        _create_topics(made, made.prefix)
        _create_topics(made, made.ceiling_names.prefix)
        _run(made, "rate-card", ["producers", "rate-card", "publish", str(RATE_CARD)])
        _run(made, "load", _load_arguments(load))
        yield made
    finally:
        _delete_topics(made)


def _create_topics(made: Arena, prefix: str) -> None:
    options = ["--partitions", str(PARTITIONS), "--replication", "1", "--topic-prefix", prefix]
    _run(made, "create-topics", ["stream", "create-topics", *options])


def _create_uncompressed_input(made: Arena) -> None:
    """Have the broker unpack the input: aiokafka, as Faust installs it, cannot read lz4."""
    topic = NewTopic(made.names.usage_events, PARTITIONS, 1, config={"compression.type": "uncompressed"})
    # Kept by name: a client that nobody holds is closed before it answers.
    admin = AdminClient({"bootstrap.servers": made.servers})
    for created in admin.create_topics([topic]).values():
        created.result(_ADMIN_SECONDS)


def _load_arguments(load: Load) -> list[str]:
    shape = ["--accounts", load.accounts, "--distribution", load.distribution, "--agents", load.agents]
    clean = ["--duplicates", 0, "--late", 0, "--malformed", 0]
    amount = ["--flat-out", "--events", load.events, "--exponent", load.exponent, "--quiet"]
    return ["producers", "workload", *map(str, [*shape, *clean, *amount])]


def _run(made: Arena, name: str, arguments: list[str]) -> None:
    with running(name, arguments, made.folder, made.environment) as process:
        process.wait(_LONGEST_PREPARATION_SECONDS)


def _delete_topics(made: Arena) -> None:
    admin = AdminClient({"bootstrap.servers": made.servers})
    ours = [topic for topic in admin.list_topics(timeout=_ADMIN_SECONDS).topics if topic.startswith(made.prefix)]
    for deleted in admin.delete_topics(ours).values() if ours else ():
        deleted.result(_ADMIN_SECONDS)

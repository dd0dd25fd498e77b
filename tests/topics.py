"""Topics made for one test."""

import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from schemas.topics import TopicNames, topic_specs

_TIMEOUT_SECONDS = 30
_POLL_SECONDS = 0.02


def new_topics(names: TopicNames, partitions: int, **retention: int) -> list[NewTopic]:
    """All of creditstream's topics as one broker can hold them."""
    specs = topic_specs(names, partitions=partitions, replication=1, **retention)
    return [NewTopic(spec.name, spec.partitions, spec.replication, config=spec.config) for spec in specs]


def make_topics(bootstrap_servers: str, topics: list[NewTopic]) -> None:
    """Create the topics and return once the broker tells of them: it says created a little before."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for outcome in admin.create_topics(topics).values():
        outcome.result(_TIMEOUT_SECONDS)
    for topic in topics:
        topic_id(bootstrap_servers, topic.topic)
    _wait_led(
        bootstrap_servers, [(topic.topic, partition) for topic in topics for partition in range(topic.num_partitions)]
    )


def _wait_led(bootstrap_servers: str, places: list[tuple[str, int]]) -> None:
    """A partition is told of a little before its leader answers for it."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "topics", "log_level": 0})
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    try:
        for place in places:
            while not _is_led(consumer, place):
                assert time.monotonic() < deadline, f"nobody leads {place}"
                time.sleep(_POLL_SECONDS)
    finally:
        consumer.close()


def _is_led(consumer: Consumer, place: tuple[str, int]) -> bool:
    try:
        consumer.get_watermark_offsets(TopicPartition(*place), timeout=_TIMEOUT_SECONDS)
    except KafkaException:
        return False
    return True


def delete_topics(bootstrap_servers: str, names: Iterable[str]) -> None:
    """Delete the topics."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for outcome in admin.delete_topics(list(names)).values():
        outcome.result(_TIMEOUT_SECONDS)


def change_topic(bootstrap_servers: str, name: str, setting: str, value: str) -> None:
    """Change a setting of a topic, and return once the broker tells of it."""
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.incremental_alter_configs([resource])[resource].result(_TIMEOUT_SECONDS)
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while admin.describe_configs([resource])[resource].result(_TIMEOUT_SECONDS)[setting].value != value:
        assert time.monotonic() < deadline, f"{name} keeps its {setting}"
        time.sleep(_POLL_SECONDS)


def topic_id(bootstrap_servers: str, name: str, *, other_than: str = "") -> str:
    """The topic's id, waited for until the broker knows it, and knows another than the one given."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            found = str(admin.describe_topics(TopicCollection([name]))[name].result(_TIMEOUT_SECONDS).topic_id)
        except KafkaException:
            found = ""
        if found not in ("", other_than):
            return found
        time.sleep(_POLL_SECONDS)
    raise AssertionError(f"the broker does not tell of the topic {name} within {_TIMEOUT_SECONDS} s")

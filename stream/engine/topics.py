"""Topics as the broker has them: their identity, and whether they are as durable as they should be."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from stream.engine.progress import TopicIdentity, Topology

_TIMEOUT_SECONDS = 30.0
_DURABLE_REPLICAS = 3
_INTERNAL = ("__transaction_state", "__consumer_offsets")


class Spec(Protocol):
    """What a topic should be."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...
    @property
    def replication(self) -> int: ...
    @property
    def config(self) -> dict[str, str]: ...


class WrongTopicsError(Exception):
    """Topics that are missing or not as they should be, one line each."""


def topology(admin: AdminClient, names: Sequence[str]) -> Topology:
    """Identity and partition count of every topic; WrongTopicsError names those that do not exist."""
    described = admin.describe_topics(TopicCollection(list(names)), request_timeout=_TIMEOUT_SECONDS)
    topics: dict[str, TopicIdentity] = {}
    missing: list[str] = []
    for name, future in described.items():
        try:
            description = future.result()
        except Exception as error:
            missing.append(f"{name}: {error}")
            continue
        topics[name] = TopicIdentity(str(description.topic_id), len(description.partitions))
    if missing:
        raise WrongTopicsError("; ".join(missing))
    return Topology(topics)


def problems(admin: AdminClient, specs: Sequence[Spec], *, single_node: bool) -> list[str]:
    """Everything about the topics that would lose or double something, one sentence each."""
    found = _replication_problems(admin, specs, single_node=single_node)
    known = admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
    wanted = {spec.name: spec for spec in specs if spec.name in known}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in wanted]
    if not resources:
        return found
    for resource, future in admin.describe_configs(resources, request_timeout=_TIMEOUT_SECONDS).items():
        values = {name: entry.value or "" for name, entry in future.result().items()}
        found += _config_problems(wanted[resource.name], values, single_node=single_node)
    return found


def retention_ms(admin: AdminClient, names: Sequence[str]) -> dict[str, float]:
    """How long each topic keeps its records; without bound where time does not bound it, 0 where size does."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    kept: dict[str, float] = {}
    for resource, future in admin.describe_configs(resources, request_timeout=_TIMEOUT_SECONDS).items():
        values = {name: entry.value or "" for name, entry in future.result().items()}
        by_time = int(values.get("retention.ms") or -1)
        kept[resource.name] = float("inf") if by_time < 0 else by_time
        if int(values.get("retention.bytes") or -1) >= 0:
            kept[resource.name] = 0.0
    return kept


def _replication_problems(admin: AdminClient, specs: Sequence[Spec], *, single_node: bool) -> list[str]:
    known = admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
    found: list[str] = []
    for spec in specs:
        topic = known.get(spec.name)
        if topic is None:
            found.append(f"{spec.name} does not exist")
        elif len(topic.partitions) != spec.partitions:
            found.append(f"{spec.name} has {len(topic.partitions)} partitions instead of {spec.partitions}")
    if single_node:
        return found
    for name in (*(spec.name for spec in specs), *_INTERNAL):
        replicas = (
            min((len(each.replicas) for each in known[name].partitions.values()), default=0) if name in known else 0
        )
        if name in known and replicas < _DURABLE_REPLICAS:
            found.append(f"{name} has {replicas} replicas, fewer than {_DURABLE_REPLICAS} (waived by --single-node)")
    return found


def _config_problems(spec: Spec, values: Mapping[str, str], *, single_node: bool) -> list[str]:
    """Settings that decide about correctness; how long something is kept is the operator's choice."""
    found = [
        f"{spec.name} has {name}={values.get(name)} instead of {spec.config[name]}"
        for name in ("cleanup.policy", "message.timestamp.type")
        if name in spec.config and values.get(name) != spec.config[name]
    ]
    largest = int(values.get("max.message.bytes") or 0)
    if largest < int(spec.config["max.message.bytes"]):
        found.append(f"{spec.name} has max.message.bytes={largest}, less than {spec.config['max.message.bytes']}")
    if not single_node:
        if int(values.get("min.insync.replicas") or 0) < 2:
            found.append(f"{spec.name} has min.insync.replicas below 2 (waived by --single-node)")
        if values.get("unclean.leader.election.enable") != "false":
            found.append(f"{spec.name} allows unclean leader election (waived by --single-node)")
    return found

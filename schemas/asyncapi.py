"""The AsyncAPI 3.0 document: every topic that others write or read, with its key, partitions and settings."""

from typing import Any, Literal

from msgspec import Struct

from schemas.examples import examples
from schemas.json_schemas import MESSAGES
from schemas.topics import TopicNames, TopicSpec, topic_specs

_KAFKA_BINDING_VERSION = "0.5.0"
_PARTITIONS = 12
_REPLICATION = 3
# Topic names are templates here: an installation puts its own prefix and app in.
_NAMES = TopicNames(prefix="{prefix}", app="{app}")
_JSON = "application/json"
_CLOUD_EVENT = "application/cloudevents+json"
_PACKED = "application/msgpack"
_READ_COMMITTED = (
    "Written in transactions: read it with isolation.level=read_committed (Java's default is another), or "
    "what a crashed worker left unfinished is seen and counted."
)
_ENGINE_KEYS = "records whose key starts with byte 0 are the engine's own: skip them."
_MURMUR2 = (
    "The key is the account, partitioned by murmur2 as Java's clients do (librdkafka: "
    "partitioner=murmur2_random); a key in another partition is a dead letter."
)


class Channel(Struct, frozen=True):
    """A topic as the document shows it; `action` is what creditstream does, `type` the only events that are in it."""

    id: str
    topic: str
    message: str
    action: Literal["receive", "send"]
    content_type: str
    key: str
    about: str
    type: str = ""


_CHANNELS = [
    Channel(
        "usageEvents",
        _NAMES.usage_events,
        "usage-event",
        "receive",
        _CLOUD_EVENT,
        "The account: the event's subject.",
        f"What agents used, one node execution a record. {_MURMUR2}",
    ),
    Channel(
        "commands",
        _NAMES.commands,
        "command",
        "receive",
        _CLOUD_EVENT,
        "The account: the command's subject.",
        "Decisions about accounts: grants, plans, policies, corrections, each carried out once. "
        f"As many partitions as the usage events. {_MURMUR2}",
    ),
    Channel(
        "rateCards",
        _NAMES.rate_cards,
        "rate-card",
        "receive",
        _JSON,
        "`line/version`.",
        "Prices by effective time. A card is withdrawn by a record with `withdrawn`, never by a tombstone.",
    ),
    Channel(
        "charges",
        _NAMES.charges,
        "charge-batch",
        "send",
        _PACKED,
        "None.",
        "Priced events, packed in booking order.",
    ),
    Channel(
        "rollups",
        _NAMES.rollups,
        "rollup-batch",
        "send",
        _PACKED,
        "None.",
        "Hourly usage, packed. A row is absolute for its segment: the usage of a key is the sum over its "
        "segments, each as the highest version has it.",
    ),
    Channel(
        "balances",
        _NAMES.balances_changelog,
        "balance",
        "send",
        _PACKED,
        f"The account; {_ENGINE_KEYS}",
        "The latest totals, plan, policy and period of every account, as absolute rows: `posted` is what account.json "
        "says, from `taken` on what charges moved since; nil while nothing was posted but what `opening` says. Its "
        "`first_lot` is the lot that these burned: of the rows of "
        "a lot, here and among the lots, the one of the highest version counts.",
    ),
    Channel(
        "lots",
        _NAMES.lots_changelog,
        "lot",
        "send",
        _PACKED,
        f"A JSON array of account and lot; {_ENGINE_KEYS}",
        "Every lot of credits, as absolute rows. A record without a value says that a lot, closed for 90 days, is no "
        "longer kept.",
    ),
    Channel(
        "ledger",
        _NAMES.ledger,
        "ledger-batch",
        "send",
        _PACKED,
        "None.",
        "Ledger entries, packed in booking order: lines of canonical JSON, each as ledger-entry.json says, and "
        "the hash before each. An entry's hash is SHA-256 of that and its line; the first follows that of the account.",
    ),
    Channel(
        "alerts",
        _NAMES.alerts,
        "notice",
        "send",
        _CLOUD_EVENT,
        "The account.",
        "What an account's people should know, once each: thresholds, blocked, unblocked. An id never comes for two "
        "occasions.",
        "creditstream.alert",
    ),
    Channel(
        "refillRequests",
        _NAMES.refill_requests,
        "notice",
        "send",
        _CLOUD_EVENT,
        "The account.",
        "Asks a payment service for credits; the same id is the same request. Answer with the command refill_paid or "
        "refill_declined.",
        "creditstream.refill_request",
    ),
    Channel(
        "bills",
        _NAMES.bills,
        "notice",
        "send",
        _CLOUD_EVENT,
        "The account.",
        "The overage of a period that ended, line by line. A closed bill never changes: lines of other periods correct "
        "those.",
        "creditstream.bill",
    ),
    Channel(
        "deadLetters",
        _NAMES.dead_letters,
        "dead-letter",
        "send",
        _JSON,
        "None; the account is in the value, when it could be read.",
        "Input that was not booked, with its bytes, the reason and the fix.",
    ),
    Channel(
        "sinkDeadLetters",
        _NAMES.sink_dead_letters,
        "dead-letter",
        "send",
        _JSON,
        "The key of the record that was refused.",
        "Rows that ClickHouse refused, with their bytes and what it said.",
    ),
]


def asyncapi() -> dict[str, Any]:
    """The whole document; schemas are named by their files beside it."""
    specs = {spec.name: spec for spec in topic_specs(_NAMES, partitions=_PARTITIONS, replication=_REPLICATION)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "creditstream",
            "version": "0.1.0",
            "description": "Usage and commands in; live balances, ledger, charges, rollups, notices out; over Kafka.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": _JSON,
        "channels": {channel.id: _channel(channel, specs[channel.topic]) for channel in _CHANNELS},
        "operations": {f"{channel.action}{_capital(channel.id)}": _operation(channel) for channel in _CHANNELS},
        "components": {"messages": {channel.id: _message(channel) for channel in _CHANNELS}},
    }


def _channel(channel: Channel, spec: TopicSpec) -> dict[str, Any]:
    parameters = {"prefix": {"description": "Keeps installations on one cluster apart.", "default": ""}}
    if "{app}" in channel.topic:
        parameters["app"] = {"description": "The worker group.", "default": TopicNames().app}
    return {
        "address": channel.topic,
        "title": TopicNames().app + "." + channel.id,
        "description": f"{channel.about} {_READ_COMMITTED}" if _is_transactional(channel) else channel.about,
        "parameters": parameters,
        "messages": {channel.message: {"$ref": f"#/components/messages/{channel.id}"}},
        "bindings": {
            "kafka": {
                "partitions": spec.partitions,
                "replicas": spec.replication,
                "topicConfiguration": _configuration(spec.config),
                "bindingVersion": _KAFKA_BINDING_VERSION,
            }
        },
        "x-topic-configuration": dict(sorted(spec.config.items())),
        **({"x-isolation-level": "read_committed"} if _is_transactional(channel) else {}),
    }


def _configuration(config: dict[str, str]) -> dict[str, Any]:
    limits = ("retention.ms", "max.message.bytes")
    return {
        "cleanup.policy": [config["cleanup.policy"]],
        **{str(name): int(config[name]) for name in limits if name in config},
    }


def _operation(channel: Channel) -> dict[str, Any]:
    return {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{channel.id}"},
        "summary": channel.about.split(". ")[0].rstrip(".") + ".",
        "messages": [{"$ref": f"#/channels/{channel.id}/messages/{channel.message}"}],
    }


def _message(channel: Channel) -> dict[str, Any]:
    struct = MESSAGES[channel.message]
    return {
        "name": struct.__name__,
        "contentType": channel.content_type,
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{channel.message}.json"},
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": channel.key},
                "bindingVersion": _KAFKA_BINDING_VERSION,
            }
        },
        "examples": [
            {"payload": payload}
            for payload in examples(channel.message)
            if not channel.type or payload["type"] == channel.type
        ],
    }


def _is_transactional(channel: Channel) -> bool:
    # The worker's outputs leave it in checkpoints; the sink has no transactions.
    return channel.action == "send" and channel.topic != _NAMES.sink_dead_letters


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]

"""What a worker has committed to its topics, in the oracle's terms, with everything that was written twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.charge import Charge
from schemas.codec import decode_charges, decode_dead_letter, decode_rollups
from schemas.topics import TopicNames
from tests.simulation.observed_ledger import LedgerReader
from tests.simulation.oracle_records import (
    ChargeFacts,
    ConversationKey,
    Figures,
    Identity,
    Place,
    RollupKey,
    RollupTotals,
)

_DAY_US = 86_400_000_000


@dataclass
class Observed(Figures):
    """The outputs of a worker; `doubled` names records that were charged more than once.

    `broken` says which account's rows or entries contradict each other, or what accounts were told twice.
    """

    broken: list[str] = field(default_factory=list)
    doubled: list[Place] = field(default_factory=list)
    versions: dict[tuple[str, int], list[int]] = field(default_factory=dict)


def read_outputs(
    bootstrap_servers: str, topics: TopicNames, partitions: int | Sequence[int], observed: Observed | None = None
) -> Observed:
    """Everything committed of the ledger, charges, rollups and dead letters, of so many partitions or of these."""
    observed = Observed() if observed is None else observed
    charged: set[Place] = set()
    ledger = LedgerReader(observed, observed.versions, observed.broken)
    rows: dict[tuple[RollupKey, int], tuple[int, RollupTotals]] = {}
    readers: dict[str, Callable[[Message], None]] = {
        **ledger.readers(topics),
        topics.charges: lambda message: _charges(observed, charged, topics, message),
        topics.rollups: lambda message: _rollups(rows, message),
        topics.dead_letters: lambda message: _dead_letter(observed, message),
    }
    for topic, read in readers.items():
        for message in read_topic(bootstrap_servers, topic, partitions):
            read(message)
    for (key, _), (_, totals) in rows.items():
        before = observed.rollups.get(key, RollupTotals(0, 0, 0, 0))
        observed.rollups[key] = RollupTotals(*(one + other for one, other in zip(before, totals, strict=True)))
    ledger.finish()
    return observed


def read_topic(
    bootstrap_servers: str, topic: str, partitions: int | Sequence[int], *, isolation: str = "read_committed"
) -> list[Message]:
    """Every committed record of a topic, or whatever another isolation level shows."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "observed",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    messages: list[Message] = []
    try:
        left = set(range(partitions) if isinstance(partitions, int) else partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in left])
        while left:
            for message in consumer.consume(5_000, 0.2):
                error = message.error()
                if error is None:
                    messages.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition() or 0)
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
    return messages


def _charges(observed: Observed, charged: set[Place], topics: TopicNames, message: Message) -> None:
    batch = decode_charges(message.value() or b"")
    observed.versions.setdefault(("charges", batch.partition), []).append(batch.version)
    for charge in batch.charges:
        place = Place(topics.usage_events, batch.partition, charge.offset)
        if place in charged:
            observed.doubled.append(place)
        charged.add(place)
        observed.charges[Identity(charge.account, charge.source, charge.id)] = _facts(charge, batch.partition)
        day = charge.occurred_at_us // _DAY_US
        observed.conversations.add(ConversationKey(charge.account, day, charge.agent, charge.conversation))


def _facts(charge: Charge, partition: int) -> ChargeFacts:
    return ChargeFacts(
        charge.agent,
        charge.conversation,
        charge.channel,
        charge.node,
        charge.quantity_micros,
        charge.cost_microcredits,
        charge.messages,
        charge.rate_card,
        charge.occurred_at_us,
        partition,
        charge.offset,
    )


def _rollups(rows: dict[tuple[RollupKey, int], tuple[int, RollupTotals]], message: Message) -> None:
    for row in decode_rollups(message.value() or b"").rows:
        key = (RollupKey(row.account, row.hour, row.channel, row.agent, row.node), row.segment)
        if key not in rows or rows[key][0] <= row.version:
            totals = RollupTotals(row.events, row.messages, row.quantity_micros, row.cost_microcredits)
            rows[key] = (row.version, totals)


def _dead_letter(observed: Observed, message: Message) -> None:
    letter = decode_dead_letter(message.value() or b"")
    observed.dead_letters[Place(letter.topic, letter.partition, letter.offset)] = letter.reason.value

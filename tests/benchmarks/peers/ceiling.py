"""The ceiling: one plain librdkafka loop that keeps the same tables and writes the same records, in transactions.

One process, one thread, no Faust. It checks nothing, deduplicates nothing, knows one price per node and cannot
restore. Of the ledger it knows free credits that never run out. Every 0.25 s a transaction carries what the worker's
checkpoints carry: every changed account, the changed rollup rows, all charges and ledger entries, chained, packed in
records of at most 512 KiB, and the input's offsets.

`python -m tests.benchmarks.peers.ceiling BOOTSTRAP_SERVERS INPUT_TOPIC OUTPUT_PREFIX RATE_CARD EVENTS`
"""

import gc
import hashlib
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from msgspec import Struct

from schemas.account import NOTHING_POSTED, BalanceRow, Opening
from schemas.codec import encode_packed
from schemas.credits import FREE_GRANT_MICROCREDITS, parse_credits
from schemas.ledger import encode_canonical, first_hash, pack_entries
from schemas.lot import NEVER_MS
from schemas.rate_card_file import read_rate_card
from schemas.rollup import Rollup
from schemas.topics import PACKED_BYTES, TopicNames

CHECKPOINT_SECONDS = 0.25
ROWS_AT_ONCE = 2_000
ENTRIES_AT_ONCE = 1_000


class Used(Struct, gc=False):
    agent: str
    conversation: str
    channel: str
    node: str
    quantity: int


class Event(Struct, gc=False):
    id: str
    source: str
    subject: str
    time: datetime
    data: Used
    specversion: str
    type: str
    datacontenttype: str


def opened(account: str, at_ms: int) -> BalanceRow:
    """A new account with its free credits."""
    return BalanceRow(account, 0, NEVER_MS, False, FREE_GRANT_MICROCREDITS, 0, 0, first_hash(account), 0, 0, at_ms, "",
                      NOTHING_POSTED, Opening(at_ms, 0, NEVER_MS, FREE_GRANT_MICROCREDITS))  # fmt: skip


def main(servers: str, usage_topic: str, prefix: str, card_file: str, wanted: str) -> None:  # noqa: C901  one loop: calls would slow it
    names = TopicNames(prefix=prefix)
    card = read_rate_card(Path(card_file))
    prices = {
        node: (int(parse_credits(price.tiers[0].credits_per_unit)), int(price.counts_as_message))
        for node, price in card.prices.items()
    }
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": prefix,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "queued.max.messages.kbytes": 262_144,
        }
    )
    consumer.subscribe([usage_topic])
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "transactional.id": prefix,
            "linger.ms": 5,
            "batch.size": 1 << 20,
            "queue.buffering.max.messages": 2_000_000,
            "compression.type": "lz4",
            "delivery.report.only.error": True,
        }
    )
    producer.init_transactions(30)
    decode, version, sha256 = msgspec.json.Decoder(Event).decode, int(time.time()) << 32, hashlib.sha256
    balances: dict[str, BalanceRow] = {}
    rollups: dict[tuple[str, int, str, str, str], Rollup] = {}
    changed_balances: list[tuple[int, BalanceRow]] = []
    entries: dict[int, list[tuple[bytes, bytes]]] = {}
    changed_rollups: dict[int, list[Rollup]] = {}
    charges: dict[int, list[tuple[Any, ...]]] = {}
    next_offsets: dict[int, int] = {}
    booked, last_flush = 0, time.monotonic()
    # The tables hold no cycles: collecting them would only cost.
    gc.disable()

    def flush() -> None:
        now_ms, produce = time.time_ns() // 1_000_000, producer.produce
        producer.begin_transaction()
        for index, (partition, balance) in enumerate(changed_balances):
            produce(names.balances_changelog, encode_packed(balance), balance.account, partition)
            if not index & 4095:
                producer.poll(0)
        for topic, rows_by_partition, head in (
            (names.rollups, changed_rollups, ()),
            (names.charges, charges, (0, now_ms)),
        ):
            for partition, rows in rows_by_partition.items():
                for first in range(0, len(rows), ROWS_AT_ONCE):
                    packed = encode_packed((partition, version, *head, rows[first : first + ROWS_AT_ONCE]))
                    assert len(packed) <= PACKED_BYTES, "fewer rows at once"
                    produce(topic, packed, partition=partition)
        for partition, sealed in entries.items():
            for first in range(0, len(sealed), ENTRIES_AT_ONCE):
                previous, lines = zip(*sealed[first : first + ENTRIES_AT_ONCE], strict=True)
                packed = encode_packed(pack_entries(partition, version, first, previous, lines))
                assert len(packed) <= PACKED_BYTES, "fewer entries at once"
                produce(names.ledger, packed, partition=partition)
        offsets = [TopicPartition(usage_topic, *place) for place in next_offsets.items()]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
        producer.commit_transaction()
        for changed in (changed_balances, changed_rollups, charges, entries):
            changed.clear()

    while booked < int(wanted):
        messages = consumer.consume(5_000, 0.05)
        for message in messages:
            event = decode(message.value())
            partition, ingested_at_ms, used = message.partition(), message.timestamp()[1], event.data
            account, channel, node, agent = event.subject, used.channel, used.node, used.agent
            price, counts = prices[node]
            cost = price * used.quantity
            occurred_at_us = round(event.time.timestamp() * 1_000_000)
            key = (account, occurred_at_us // 3_600_000_000, channel, agent, node)
            row = rollups.get(key)
            if row is None:
                row = rollups[key] = Rollup(*key, version)
            row.events += 1
            row.messages += counts
            row.quantity_units += used.quantity
            row.cost_microcredits += cost
            if row.version != version:
                row.version = version
                changed_rollups.setdefault(partition, []).append(row)
            offset = message.offset()
            charges.setdefault(partition, []).append(
                (account, event.source, event.id, agent, used.conversation, channel, node, used.quantity * 1_000_000,
                 cost, counts, card.version, occurred_at_us, ingested_at_ms, offset)
            )  # fmt: skip
            balance = balances.get(account)
            if balance is None:
                balance = balances[account] = opened(account, ingested_at_ms)
            balance.taken += cost
            balance.remaining -= cost
            balance.events += 1
            balance.messages += counts
            balance.sequence += 1
            balance.updated_at_ms = ingested_at_ms
            if balance.version != version:
                balance.version = version
                changed_balances.append((partition, balance))
            line = encode_canonical(
                (account, balance.sequence, "burned", str(-cost), "0", "0", str(balance.remaining), "free", "event",
                 event.source, event.id, offset, card.version, occurred_at_us, ingested_at_ms, ingested_at_ms)
            )  # fmt: skip
            entries.setdefault(partition, []).append((balance.head, line))
            balance.head = sha256(balance.head + line).digest()
            next_offsets[partition] = offset + 1
        booked += len(messages)
        if time.monotonic() - last_flush >= CHECKPOINT_SECONDS or booked >= int(wanted):
            flush()
            version, last_flush = version + 1, time.monotonic()


if __name__ == "__main__":
    main(*sys.argv[1:])

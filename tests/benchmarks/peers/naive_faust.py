"""Faust as its tutorial has it: a Record, an agent that takes one event at a time, a table written for each.

`python -m tests.benchmarks.peers.naive_faust BOOTSTRAP_SERVERS PREFIX RATE_CARD PARTITIONS DATA_FOLDER`
"""

import logging
import sys
from pathlib import Path

import faust

from schemas.credits import FREE_GRANT_MICROCREDITS, parse_credits
from schemas.rate_card_file import read_rate_card
from schemas.topics import TopicNames


class Usage(faust.Record):
    agent: str
    conversation: str
    channel: str
    node: str
    quantity: int


class UsageEvent(faust.Record):
    id: str
    source: str
    subject: str
    time: str
    data: Usage


def main(servers: str, prefix: str, card_file: str, partitions: str, data_folder: str) -> None:
    card = read_rate_card(Path(card_file))
    prices = {node: int(parse_credits(price.tiers[0].credits_per_unit)) for node, price in card.prices.items()}
    app = faust.App(
        f"{prefix}naive",
        broker=f"kafka://{servers}",
        store="memory://",
        datadir=data_folder,
        topic_partitions=int(partitions),
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    events = app.topic(TopicNames(prefix=prefix).usage_events, value_type=UsageEvent)
    balances = app.Table("balances", default=lambda: int(FREE_GRANT_MICROCREDITS), partitions=int(partitions))

    @app.agent(events)
    async def book(stream):
        async for event in stream:
            balances[event.subject] -= prices[event.data.node] * event.data.quantity

    logging.basicConfig(level=logging.WARNING)
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What a fault did to the figures: events lost, doubled, and the drift of balances, against the oracle."""

from collections import Counter

import clickhouse_connect
from msgspec import Struct

from schemas.codec import decode_dead_letter
from tests.integration.system import PARTITIONS, System
from tests.servers import ClickHouseServer
from tests.simulation.observed import read_topic
from tests.simulation.oracle import Expected, Figures, differences, read_clickhouse


class Verdict(Struct, frozen=True):
    """`drift` sums, in microcredits, how far each balance and each rollup is off; `found` says it in lines."""

    accepted: int
    lost: int
    doubled: int
    drift: int
    found: list[str]

    @property
    def exact(self) -> bool:
        return not (self.lost or self.doubled or self.drift or self.found)


def judge_kafka(system: System, expected: Expected) -> Verdict:
    """The workers' committed outputs against what the oracle expects."""
    outputs = system.outputs()
    found = differences(expected, outputs)
    letters = _letters_told_twice(system)
    twice = [*map(str, outputs.doubled), *letters]
    if twice:
        found.append(f"written twice: {twice[:10]}")
    verdict = _compare(expected, outputs, found)
    return Verdict(verdict.accepted, verdict.lost, verdict.doubled + len(twice), verdict.drift, found)


def judge_clickhouse(clickhouse: ClickHouseServer, database: str, expected: Expected) -> Verdict:
    """What an analyst sees against what the oracle expects."""
    with clickhouse_connect.get_client(
        host=clickhouse.host, port=clickhouse.port, username=clickhouse.user, password=clickhouse.password
    ) as client:
        shown = read_clickhouse(client, database)
    found = [f"ClickHouse: {line}" for line in differences(expected, shown)]
    return _compare(expected, shown, found)


def both(one: Verdict, other: Verdict) -> Verdict:
    """Kafka's and ClickHouse's verdict as one: what is wrong in either is wrong."""
    return Verdict(
        one.accepted,
        one.lost + other.lost,
        one.doubled + other.doubled,
        one.drift + other.drift,
        one.found + other.found,
    )


def _compare(expected: Expected, shown: Figures, found: list[str]) -> Verdict:
    lost = len(expected.charges.keys() - shown.charges.keys())
    lost += len(expected.dead_letters.keys() - shown.dead_letters.keys())
    doubled = len(shown.charges.keys() - expected.charges.keys())
    doubled += len(shown.dead_letters.keys() - expected.dead_letters.keys())
    drift = 0
    for account in expected.balances.keys() | shown.balances.keys():
        drift += abs(_remaining(expected, account) - _remaining(shown, account))
    for key in expected.rollups.keys() | shown.rollups.keys():
        ours, theirs = expected.rollups.get(key), shown.rollups.get(key)
        drift += abs((ours.cost if ours else 0) - (theirs.cost if theirs else 0))
    return Verdict(len(expected.charges), lost, doubled, drift, found)


def _remaining(figures: Figures, account: str) -> int:
    totals = figures.balances.get(account)
    return totals.granted - totals.charged if totals else 0


def _letters_told_twice(system: System) -> list[str]:
    messages = read_topic(system.kafka.bootstrap_servers, system.topics.dead_letters, PARTITIONS)
    letters = [decode_dead_letter(message.value() or b"") for message in messages]
    counts = Counter((letter.topic, letter.partition, letter.offset) for letter in letters)
    return [str(place) for place, count in counts.items() if count > 1]

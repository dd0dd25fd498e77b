"""What a report costs beside a bare produce of the same bytes: `python -m tests.benchmarks.reporter`.

Rounds of both take turns on one broker; a round is timed until everything in it is delivered. The median
times and the median ratio of neighbouring rounds are printed. Both producers have the same settings; the bare
one checks nothing, makes no id, reads no clock, encodes nothing and hears of no failure.
"""

import argparse
import json
import time
import uuid
from collections.abc import Callable
from statistics import median

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from producers import UsageReporter
from producers.cloud_events import CLOUDEVENTS_HEADERS

ACCOUNTS = 1_000
LARGEST_RATIO = 1.5
_DELIVERY = {"linger.ms": 20, "compression.type": "lz4", "enable.idempotence": True, "acks": "all"}
_VALUE = (
    b'{"id":"019c5d3c-7a3e-7abc-8def-0123456789ab","source":"benchmark","subject":"account-0000",'
    b'"time":"2026-11-22T20:43:50.401Z","data":{"agent":"support","conversation":"c-17","channel":"widget",'
    b'"node":"llm_prompt","quantity":374},"specversion":"1.0","type":"creditstream.usage",'
    b'"datacontenttype":"application/json"}'
)


def bare_round(producer: Producer, topic: str, accounts: list[str]) -> float:
    """Microseconds a record of a loop that only produces."""
    produce = producer.produce
    started = time.perf_counter()
    for account in accounts:
        produce(topic, _VALUE, account, headers=CLOUDEVENTS_HEADERS)
    producer.flush()
    return (time.perf_counter() - started) * 1e6 / len(accounts)


def report_round(reporter: UsageReporter, accounts: list[str]) -> float:
    """Microseconds a record of a loop that only reports."""
    report = reporter.report
    started = time.perf_counter()
    for account in accounts:
        report(
            account=account,
            agent="support",
            conversation="c-17",
            channel="widget",
            node="llm_prompt",
            quantity=374,
        )
    reporter.flush()
    return (time.perf_counter() - started) * 1e6 / len(accounts)


def measure(bootstrap_servers: str, *, events: int, rounds: int) -> dict[str, float]:
    """Medians of `rounds` rounds of `events` each, in microseconds an event, and the ratio of the two."""
    topic = f"benchmark-reporter-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for created in admin.create_topics([NewTopic(topic, 4, 1)]).values():
        created.result()
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 2 * events,
            **_DELIVERY,
        }
    )
    accounts = [f"account-{index % ACCOUNTS:04d}" for index in range(events)]
    with UsageReporter(
        bootstrap_servers=bootstrap_servers,
        source="benchmark",
        topic=topic,
        max_queued=2 * events,
        kafka_config={"linger.ms": _DELIVERY["linger.ms"], "compression.type": _DELIVERY["compression.type"]},
    ) as reporter:
        bodies: list[Callable[[], float]] = [
            lambda: bare_round(producer, topic, accounts),
            lambda: report_round(reporter, accounts),
        ]
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(rounds + 1):
            # Who goes first changes each turn, so that neither always finds the broker busy with the other's
            # end.
            for which in (0, 1) if turn % 2 else (1, 0):
                times[which].append(bodies[which]())
    for removed in admin.delete_topics([topic]).values():
        removed.result()
    # A ratio of neighbours: what else the machine does in that moment slows both.
    ratio = median(report / bare for bare, report in zip(times[0][1:], times[1][1:], strict=True))
    return {
        "bare_produce_us": median(times[0][1:]),
        "report_us": median(times[1][1:]),
        "report_to_bare_produce": ratio,
    }


def main() -> int:
    """Prints the figures; 1 when the ratio is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:9092")
    parser.add_argument("--events", type=int, default=100_000, help="events a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each (default: %(default)s)")
    arguments = parser.parse_args()
    figures = measure(arguments.bootstrap_servers, events=arguments.events, rounds=arguments.rounds)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
    return 0 if figures["report_to_bare_produce"] <= LARGEST_RATIO else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""`python -m producers workload`: seeded load, to try and to measure the pipeline."""

import argparse
import sys
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from producers.pace import Pace, Progress
from producers.sender import Sender, UndeliveredError
from producers.settling import when_settled
from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from schemas.kafka_refusal import Refusal
from schemas.settings import KafkaSettings

DESCRIPTION = """\
Sends seeded usage events: accounts by Zipf or uniform, channels, agents, nodes, and a share of duplicates (one in
ten of them with other content), of late events and of malformed ones, which take every kind of bad input in turn.
The same options, --run and --start give the same records. Ends after --events or --seconds, else at Ctrl-C."""
EXAMPLES = """\
examples:
  python -m producers workload --rate 500 --accounts 1000
  python -m producers workload --flat-out --events 1000000 --accounts 100000 --exponent 1.1
  python -m producers workload --flat-out --seconds 30 --distribution uniform --accounts 1000000 --duplicates 0"""
_SECONDS_FOR_METADATA = 5.0
_RECORDS_PER_LOOK = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `workload`; where one is left out, WorkloadSettings' default holds."""
    parser.add_argument("--accounts", type=int, help="how many accounts (default: 1000)")
    parser.add_argument("--distribution", choices=("zipf", "uniform"), help="of the accounts (default: zipf)")
    parser.add_argument("--exponent", type=float, help="of Zipf's law (default: 1.1)")
    parser.add_argument("--agents", type=int, help="agents an account (default: 5)")
    speed = parser.add_mutually_exclusive_group(required=True)
    speed.add_argument("--rate", type=int, help="events a second; their times are now")
    speed.add_argument("--flat-out", action="store_true", help="no pause; times within the last hour")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--events", type=int, help="end after so many")
    length.add_argument("--seconds", type=float, help="end after so long")
    parser.add_argument("--duplicates", type=float, help="share of duplicates (default: 0.02)")
    parser.add_argument("--late", type=float, help="share of late events (default: 0.01)")
    parser.add_argument("--late-hours", type=int, help="how late at most (default: 20)")
    parser.add_argument("--malformed", type=float, help="share of malformed events (default: 0.005)")
    parser.add_argument("--seed", type=int, help="of all that is random (default: 1)")
    parser.add_argument("--run", help="part of every event's id (default: this moment), so that runs differ")
    parser.add_argument("--start", dest="started_at", help="what is now (RFC 3339, with a zone)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def run(arguments: argparse.Namespace, settings: KafkaSettings) -> int:
    """Sends the workload; 1 if a record was not delivered."""
    topic = settings.topics.usage_events
    try:
        workload = _workload(arguments, _partitions(settings, topic))
        _send(workload, arguments.seconds, topic, settings, quiet=arguments.quiet)
    except msgspec.ValidationError as error:
        print(f"workload: {error}", file=sys.stderr)
        return 2
    except UndeliveredError as error:
        print(f"workload: {error}", file=sys.stderr)
        return 1
    return 0


def _workload(arguments: argparse.Namespace, partitions: int) -> WorkloadSettings:
    given = {
        name: value
        for name, value in vars(arguments).items()
        if name in WorkloadSettings.__struct_fields__ and value is not None
    }
    defaults = {"run": f"{time.time_ns() // 1_000_000:x}", "started_at": datetime.now(UTC)}
    return msgspec.convert({**defaults, **given, "partitions": partitions}, WorkloadSettings)


def _partitions(settings: KafkaSettings, topic: str) -> int:
    refusal = Refusal()
    config: dict[str, Any] = {**settings.client, "log_level": 0, "error_cb": refusal}
    admin = AdminClient(config)

    def count() -> int:
        found = admin.list_topics(topic, timeout=_SECONDS_FOR_METADATA).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return len(found.partitions)

    try:
        return when_settled(count)
    except KafkaException as error:
        admin.poll(0)
        raise UndeliveredError(
            f"topic {topic} at {settings.bootstrap_servers}: {error.args[0].str()}. {refusal.advice()}"
        ) from None


def _send(
    workload: WorkloadSettings, seconds: float | None, topic: str, settings: KafkaSettings, *, quiet: bool
) -> None:
    progress, pace = Progress("records sent", workload.events, quiet=quiet), Pace()
    until = None if seconds is None else time.monotonic() + seconds
    sent = 0
    with Sender(settings.bootstrap_servers, kafka_config=settings.security) as sender:
        for key, value, partition in workload_records(workload):
            sender.send(topic, key, value, partition)
            sent += 1
            if workload.rate is not None:
                pace.until(sent / workload.rate, lambda sent=sent: progress.show(sent))  # type: ignore[misc]
            if sent % _RECORDS_PER_LOOK == 0 or workload.rate is not None:
                progress.show(sent)
                if until is not None and time.monotonic() >= until:
                    break
        sender.finish()
    progress.finish(sent)

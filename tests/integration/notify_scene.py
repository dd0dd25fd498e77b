"""A notifier between a real Kafka and real HTTP servers, with topics of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.codec import encode_json
from schemas.identifiers import Account
from schemas.notice_events import AlertData, BillData, NoticeEvent, RefillRequestData
from schemas.topics import TopicNames
from schemas.undelivered_notice import Redelivery, UndeliveredNotice, decode_undelivered
from tests.processes import ROOT, Running, wait_until
from tests.receiver import SECRET
from tests.servers import KafkaServer

PARTITIONS = 2
WAIT_SECONDS = 120.0
_TIME = datetime(2026, 11, 4, tzinfo=UTC)


def alert(account: str, identity: str) -> bytes:
    """An account is blocked."""
    data = AlertData("blocked", Decimal(0), "enforce")
    return encode_json(NoticeEvent(identity, "creditstream/0", Account(account), _TIME, data, 1))


def refill_request(account: str, identity: str, attempt: int = 1) -> bytes:
    """100 credits are asked for."""
    data = RefillRequestData(identity, 1, Decimal(100), attempt, Decimal(3))
    event = NoticeEvent(
        identity, "creditstream/0", Account(account), _TIME, data, 1, type="creditstream.refill_request"
    )
    return encode_json(event)


def bill(account: str, identity: str) -> bytes:
    """A period without overage ended."""
    data = BillData("pro", _TIME - timedelta(days=30), _TIME, ())
    event = NoticeEvent(identity, "creditstream/0", Account(account), _TIME, data, 1, type="creditstream.bill")
    return encode_json(event)


class NotifyScene:
    """Topics that a worker would write, and the notifier as a process."""

    def __init__(self, kafka: KafkaServer, topics: TopicNames, folder: Path) -> None:
        self.topics = topics
        self.folder = folder
        self.kafka = {"bootstrap.servers": kafka.bootstrap_servers}
        self.settings = {
            "bootstrap_servers": kafka.bootstrap_servers,
            "topic_prefix": topics.prefix,
            "app": topics.app,
            "notify_plain_http": "true",
            "notify_timeout_seconds": "2",
        }
        self._producer = Producer({**self.kafka, "transactional.id": f"{topics.prefix}test"})
        self._producer.init_transactions(30)
        self._logs = 0

    def write(self, topic: str, *values: bytes, account: str = "acme", partition: int = 0, at_ms: int = 0) -> None:
        """One committed transaction."""
        self._begin(topic, values, account, partition, at_ms)
        self._producer.commit_transaction(30)

    def write_aborted(self, topic: str, *values: bytes) -> None:
        """One aborted transaction: nothing of it may ever be sent."""
        self._begin(topic, values, "acme", 0, 0)
        self._producer.flush(30)
        self._producer.abort_transaction(30)

    def _begin(self, topic: str, values: Sequence[bytes], account: str, partition: int, at_ms: int) -> None:
        at_ms = at_ms or time.time_ns() // 1_000_000
        self._producer.begin_transaction()
        for value in values:
            self._producer.produce(topic, value, account.encode(), partition, timestamp=at_ms)
            self._producer.poll(0)

    @contextmanager
    def notifier(self, alerts: str = "", refills: str = "", bills: str = "", **more: object) -> Iterator[Running]:
        """`python -m sinks notify` with these URLs, until the block ends."""
        urls = {"alerts": alerts, "refill_requests": refills, "bills": bills}
        endpoints = {f"notify_{name}_url": url for name, url in urls.items() if url}
        secrets = {f"notify_{name}_secret": SECRET for name, url in urls.items() if url}
        self._logs += 1
        log = self.folder / f"notify-{self._logs}.log"
        with Running("sinks", "notify", log=log, **self.settings, **endpoints, **secrets, **more) as running:
            running.wait_ready()
            yield running

    def redeliver(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python -m sinks redeliver`, to its end."""
        settings = {f"CREDITSTREAM_{name.upper()}": value for name, value in self.settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "sinks", "redeliver", *arguments],
            cwd=ROOT,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def records(self) -> list[UndeliveredNotice | Redelivery]:
        """Everything that is in the topic of undelivered notices."""
        return [decode_undelivered(value) for value in self._values(self.topics.undelivered_notices)]

    @property
    def letters(self) -> list[UndeliveredNotice]:
        """The undelivered notices."""
        return [each for each in self.records() if isinstance(each, UndeliveredNotice)]

    def lag(self, topic: str) -> int:
        """Offsets that the group has not committed yet."""
        consumer = Consumer({**self.kafka, "group.id": f"{self.topics.prefix}{self.topics.app}-notify"})
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        try:
            ends = [consumer.get_watermark_offsets(place, 30)[1] for place in places]
            committed = [max(place.offset, 0) for place in consumer.committed(places, 30)]
        finally:
            consumer.close()
        return sum(ends) - sum(committed)

    def _values(self, topic: str) -> Iterator[bytes]:
        consumer = Consumer({**self.kafka, "group.id": f"{self.topics.prefix}reader", "enable.auto.commit": False})
        try:
            for number in range(PARTITIONS):
                first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), 30)
                consumer.assign([TopicPartition(topic, number, first)])
                while first < end:
                    message = consumer.poll(0.1)
                    if message is not None and message.error() is None:
                        yield message.value() or b""
                    (position,) = consumer.position([TopicPartition(topic, number)])
                    first = max(first, position.offset)
        finally:
            consumer.close()


def await_true(condition: Callable[[], object], what: Callable[[], object] = str) -> None:
    """Waits for what must come true."""
    wait_until(lambda: bool(condition()), WAIT_SECONDS, lambda: str(what()))

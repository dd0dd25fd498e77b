"""A workload that goes on while things break: paced until it is told to finish, then what is left flat out."""

import itertools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from producers.malformed import Record
from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from schemas.topics import TopicNames
from tests.integration.system import PARTITIONS, grant_command

FLAT_OUT = 10_000_000
_EVENTS_PER_COMMAND = 500
_EVENTS_PER_LOOK = 20
_LONGEST_OUTAGE_SECONDS = 600
_ANY_PARTITION = -1


class UndeliveredError(Exception):
    """Records that the broker never took: the run proves nothing."""


class Load(threading.Thread):
    """Sends seeded events with duplicates, late and malformed ones, and grants, every second one of them twice."""

    def __init__(
        self,
        servers: str,
        topics: TopicNames,
        *,
        events: int,
        rate: int,
        name: str = "first",
        round_events: int | None = None,
        **changes: Any,
    ) -> None:
        """With `round_events` so many are made, and sent again and again under other ids: that takes a third."""
        super().__init__(name=f"load-{name}", daemon=True)
        self.sent = 0
        """Usage events handed to the client so far."""
        self._held = threading.Event()
        self._grants = True
        self._paced_from = (time.monotonic(), 0)
        self._round_events = round_events
        self._events = events
        self._rate = rate
        self._name = name
        self._topics = topics
        self._finishing = threading.Event()
        self._errors: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "message.max.bytes": 4 << 20,
                "message.timeout.ms": _LONGEST_OUTAGE_SECONDS * 1_000,
                "reconnect.backoff.max.ms": 500,
                "linger.ms": 5,
                "compression.type": "lz4",
                "delivery.report.only.error": True,
                "log_level": 2,
            }
        )
        settings = {
            "accounts": 2_000,
            "malformed": 0.01,
            "run": name,
            "partitions": PARTITIONS,
            "started_at": datetime.now(UTC),
        }
        self._settings = WorkloadSettings(**{**settings, **changes})

    def run(self) -> None:
        """Send until told to finish, and at least as many events as were asked for."""
        self._paced_from = (time.monotonic(), 0)
        for sent, (key, value, partition) in enumerate(self._records(), start=1):
            self._send(self._topics.usage_events, key, value, partition)
            self.sent = sent
            if self._grants and sent % _EVENTS_PER_COMMAND == 0:
                self._send_grant(sent)
            if sent % _EVENTS_PER_LOOK == 0:
                self._producer.poll(0)
                self._keep_pace(sent)
            if self._finishing.is_set() and sent >= self._events:
                break
        left = self._producer.flush(_LONGEST_OUTAGE_SECONDS)
        if left:
            self._errors.append(f"{left} records were not acknowledged within {_LONGEST_OUTAGE_SECONDS} s")

    def _records(self) -> Iterator[Record]:
        records = workload_records(self._settings)
        if self._round_events is None:
            yield from records
            return
        made = list(itertools.islice(records, self._round_events))
        run = f'{{"id":"{self._name}-'.encode()
        for number in itertools.count():
            other = f'{{"id":"{self._name}.{number}-'.encode()
            for key, value, partition in made:
                yield key, value.replace(run, other, 1), partition

    def pace(self, rate: int) -> None:
        """Go on at another rate."""
        self._rate = rate
        self._paced_from = (time.monotonic(), self.sent)

    def stop_granting(self) -> None:
        """Send usage alone from now on."""
        self._grants = False

    def hold(self, rate: int | None = None) -> None:
        """Send nothing until told to go on, at another rate if one is given."""
        self._held.set()
        self._rate = rate or self._rate

    def go_on(self) -> None:
        """Send again."""
        self.pace(self._rate)
        self._held.clear()

    def finish(self) -> int:
        """End it; how many events the broker acknowledged. UndeliveredError when it did not take them all."""
        self._finishing.set()
        self._held.clear()
        self.join(2 * _LONGEST_OUTAGE_SECONDS)
        if self.is_alive() or self._errors:
            raise UndeliveredError(f"the load was not delivered: {self._errors[:3] or 'it hangs'}")
        return self.sent

    def _keep_pace(self, sent: int) -> None:
        while self._held.is_set():
            self._producer.poll(0.05)
        if not self._finishing.is_set():
            began, before = self._paced_from
            time.sleep(max(0.0, began + (sent - before) / self._rate - time.monotonic()))

    def _send_grant(self, number: int) -> None:
        account = f"account-{number // _EVENTS_PER_COMMAND % self._settings.accounts}"
        command = grant_command(account, number).replace(b'"grant-', f'"{self._name}-'.encode())
        command = command.replace(b'"command-', f'"{self._name}-'.encode())
        for _ in range(1 + number // _EVENTS_PER_COMMAND % 2):
            self._send(self._topics.commands, account.encode(), command, None)

    def _send(self, topic: str, key: bytes | None, value: bytes, partition: int | None) -> None:
        while True:
            try:
                self._producer.produce(
                    topic, value, key, _ANY_PARTITION if partition is None else partition, on_delivery=self._note
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _note(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and len(self._errors) < 10:
            self._errors.append(str(error))

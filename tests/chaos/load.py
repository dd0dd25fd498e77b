"""A workload that goes on while things break: paced until it is told to finish, then what is left flat out."""

import threading
import time
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from producers.workload import workload_records
from producers.workload_settings import WorkloadSettings
from schemas.topics import TopicNames
from tests.integration.system import PARTITIONS, grant_command

_EVENTS_PER_COMMAND = 500
_LONGEST_OUTAGE_SECONDS = 600
_ANY_PARTITION = -1


class UndeliveredError(Exception):
    """Records that the broker never took: the run proves nothing."""


class Load(threading.Thread):
    """Sends seeded events with duplicates, late and malformed ones, and grants, every second one of them twice."""

    def __init__(
        self, servers: str, topics: TopicNames, *, events: int, rate: int, name: str = "first", **changes: Any
    ) -> None:
        super().__init__(name=f"load-{name}", daemon=True)
        self.delivered = 0
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
        began = time.monotonic()
        for sent, (key, value, partition) in enumerate(workload_records(self._settings), start=1):
            self._send(self._topics.usage_events, key, value, partition)
            if sent % _EVENTS_PER_COMMAND == 0:
                self._send_grant(sent)
            if self._finishing.is_set():
                if sent >= self._events:
                    break
            elif sent % 20 == 0:
                time.sleep(max(0.0, began + sent / self._rate - time.monotonic()))
        left = self._producer.flush(_LONGEST_OUTAGE_SECONDS)
        if left:
            self._errors.append(f"{left} records were not acknowledged within {_LONGEST_OUTAGE_SECONDS} s")

    def finish(self) -> int:
        """End it; how many records the broker acknowledged. UndeliveredError when it did not take them all."""
        self._finishing.set()
        self.join(2 * _LONGEST_OUTAGE_SECONDS)
        if self.is_alive() or self._errors:
            raise UndeliveredError(f"the load was not delivered: {self._errors[:3] or 'it hangs'}")
        return self.delivered

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
                self._producer.poll(0)
                return

    def _note(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.delivered += 1
        elif len(self._errors) < 10:
            self._errors.append(str(error))

"""What the worker tells others, read as a notifier and a payment service read it: committed records alone."""

import time
from collections.abc import Callable, Iterable
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from deploy.local.demo_processes import DemoProcesses
from deploy.local.errors import LocalStackError
from schemas.credits import format_credits
from schemas.notice_events import AlertData, NoticeEvent, RefillRequestData, decode_notice
from schemas.topics import TopicNames

WAIT_SECONDS = 120
_SAY_SECONDS = 10.0
_POLL_SECONDS = 0.2


class Notices:
    """Alerts and refill requests of some accounts; `heard` is told each, once, `say` that nothing came for a while."""

    def __init__(
        self,
        bootstrap_servers: str,
        partitions: int,
        accounts: Iterable[str],
        processes: DemoProcesses,
        *,
        heard: Callable[[NoticeEvent], None],
        say: Callable[[str], None],
    ) -> None:
        topics = TopicNames()
        self._accounts = frozenset(accounts)
        self._processes = processes
        self._heard = heard
        self._say = say
        self.events: dict[str, NoticeEvent] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "demo-notices",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        self._consumer.assign(
            [
                TopicPartition(topic, partition, OFFSET_BEGINNING)
                for topic in (topics.alerts, topics.refill_requests)
                for partition in range(partitions)
            ]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def wait_for(self, account: str, *titles: str) -> list[NoticeEvent]:
        """The account's newest notices of these titles, once each is there; LocalStackError when one does not come.

        A title comes again with the next occasion: what was waited for is not waited for twice.
        """
        missing = list(titles)
        found: dict[str, NoticeEvent] = {}
        started = told = time.monotonic()
        while missing:
            event = self._next()
            if event is not None:
                if event.subject == account and title(event) in missing:
                    missing.remove(title(event))
                    found[title(event)] = event
                continue
            self._processes.require_alive()
            awaited = f"{account} to be told of {', '.join(missing)}"
            if time.monotonic() - started > WAIT_SECONDS:
                raise LocalStackError(f"{WAIT_SECONDS} s were not enough for {awaited}\n{self._processes.logs()}")
            if time.monotonic() - told > _SAY_SECONDS:
                told = time.monotonic()
                self._say(f"still waiting for {awaited}")
        return [found[each] for each in titles]

    def _next(self) -> NoticeEvent | None:
        message = self._consumer.poll(_POLL_SECONDS)
        if message is None:
            return None
        event = decode_notice(_value(message))
        if event.subject not in self._accounts or event.id in self.events:
            return None
        self.events[event.id] = event
        self._heard(event)
        return event


def title(event: NoticeEvent) -> str:
    """What it is about: `threshold 20%`, `threshold 50`, `blocked`, `refill 1`."""
    if isinstance(event.data, RefillRequestData):
        return f"refill {event.data.number}"
    if isinstance(event.data, AlertData):
        return f"threshold {_level(event.data)}" if event.data.threshold else event.data.alert
    return "bill"


def _level(alert: AlertData) -> str:
    return alert.threshold if alert.threshold.endswith("%") else format_credits(int(alert.threshold))


def _value(message: Message) -> bytes:
    error = message.error()
    if error is not None:
        raise LocalStackError(f"alerts and refill requests cannot be read: {error}")
    return message.value() or b""

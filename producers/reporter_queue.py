"""The reporter's bounded queue: librdkafka's own, with what to do when it is full, fails, forks or ends."""

import time
from collections.abc import Callable, Mapping
from threading import Event, Lock, Thread
from typing import NoReturn

from confluent_kafka import KafkaError, Message, Producer

from producers import open_reporters
from producers.failures import DeliveryError, FailureLog, OnError, QueueFullError, ReporterClosedError, logger
from producers.reporter_options import ProducerFactory, WhenFull
from schemas.codec import decode_usage_event

Headers = list[tuple[str, str | bytes | None]]

_FIXED: dict[str, object] = {
    # Java's partitioner, so that an account's events and commands meet in one partition, whoever sends them.
    "partitioner": "murmur2_random",
    "enable.idempotence": True,
    "acks": "all",
    "delivery.report.only.error": True,
}
_POLL_SECONDS = 0.1
_WAIT_FOR_ROOM_SECONDS = 0.01


class ReporterQueue:
    """Holds at most `max_queued` events; `produce` and `poll` are librdkafka's own, bound for speed.

    The producer is made by the first event, and anew by the first one after a fork.
    """

    produce: Callable[..., None]
    poll: Callable[[float], int]
    _producer: Producer | None
    _poller: Thread | None

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        topic: str,
        headers: Headers,
        on_error: OnError,
        max_queued: int,
        when_full: WhenFull,
        block_timeout_seconds: float,
        delivery_timeout_seconds: float,
        kafka_config: Mapping[str, object],
        make_producer: ProducerFactory,
    ) -> None:
        if when_full not in ("block", "drop", "raise"):
            raise ValueError(f"when_full is {when_full!r}: pass block, drop or raise")
        if max_queued < 1:
            raise ValueError(f"max_queued is {max_queued}: pass 1 or more")
        if fixed := sorted(set(kafka_config) & set(_FIXED)):
            raise ValueError(f"kafka_config sets {', '.join(fixed)}, which the pipeline relies on: leave it out")
        self._log = FailureLog()
        self._servers = bootstrap_servers
        self._topic = topic
        self._headers = headers
        self._on_error = on_error
        self._when_full = when_full
        self._block_timeout_seconds = block_timeout_seconds
        self._make_producer = make_producer
        self._closed = False
        self._config = {
            "bootstrap.servers": bootstrap_servers,
            "client.id": "creditstream-reporter",
            "queue.buffering.max.messages": max_queued,
            "delivery.timeout.ms": int(delivery_timeout_seconds * 1000),
            "linger.ms": 20,
            "compression.type": "lz4",
            # librdkafka logs each attempt to connect, twenty a second while Kafka is away.
            "log_level": 0,
            "error_cb": self._connection_failed,
            **kafka_config,
            **_FIXED,
            "on_delivery": self._delivered,
        }
        self._begin()

    def _begin(self) -> None:
        self._lock = Lock()
        self._stop = Event()
        self._producer = None
        self._poller = None
        self.produce = self._start_and_produce
        self.poll = _nothing_to_poll

    def start(self) -> None:
        """Makes the producer, unless it is there."""
        with self._lock:
            if self._closed:
                _refuse()
            if self._producer is not None:
                return
            producer = self._make_producer(self._config)
            self._producer, self.produce, self.poll = producer, producer.produce, producer.poll
            self._poller = Thread(
                target=_poll_until, args=(producer, self._stop), name="creditstream-reporter", daemon=True
            )
            self._poller.start()

    def _start_and_produce(self, topic: str, value: bytes, key: str, headers: Headers) -> None:
        self.start()
        self.produce(topic, value, key, headers=headers)

    def put_when_there_is_room(self, value: bytes, key: str) -> None:
        """What happens to an event that met a full queue, as `when_full` says."""
        if self._when_full == "drop":
            self.tell(value, "the queue was full and when_full is drop")
            return
        wait_seconds = self._block_timeout_seconds if self._when_full == "block" else 0.0
        until = time.monotonic() + wait_seconds
        while not self._put(value, key, _WAIT_FOR_ROOM_SECONDS if wait_seconds else 0.0):
            if time.monotonic() >= until:
                event = decode_usage_event(value)
                raise QueueFullError(
                    f"usage event {event.id} of account {key} found no room among {len(self)} queued ones for "
                    f"{wait_seconds:g} s: is Kafka reachable? Report it again with its id, or raise max_queued"
                )

    def _put(self, value: bytes, key: str, wait_seconds: float) -> bool:
        # Delivered events leave the queue only when they are polled for.
        self.poll(wait_seconds)
        try:
            self.produce(self._topic, value, key, headers=self._headers)
        except BufferError:
            return False
        return True

    def __len__(self) -> int:
        producer = self._producer
        return 0 if producer is None else len(producer)

    def flush(self, timeout_seconds: float | None) -> int:
        """Waits until nothing is queued or the time is over; returns how many events still are."""
        producer = self._producer
        return 0 if producer is None else producer.flush(-1 if timeout_seconds is None else timeout_seconds)

    def close(self, timeout_seconds: float) -> int:
        """Flushes, tells of each event that was not delivered, and returns their number."""
        with self._lock:
            if self._closed:
                return 0
            self._closed = True
            producer, self._producer = self._producer, None
            self.produce = self.poll = _refuse
        if producer is None:
            return 0
        left = producer.flush(timeout_seconds)
        if left:
            producer.purge()
            producer.flush(_POLL_SECONDS)
        self._stop.set()
        if self._poller is not None:
            self._poller.join()
        return left

    def start_anew_in_child(self) -> None:
        """Forgets the parent's producer, and what it had queued, without touching it."""
        if self._producer is not None:
            open_reporters.abandon(self._producer)
        if not self._closed:
            self._begin()

    def _connection_failed(self, error: KafkaError) -> None:
        self._log.write(f"Kafka at {self._servers}: {error.str()}; {len(self)} usage events are queued")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        value = message.value()
        if error is not None and value is not None:
            self.tell(value, error.str())

    def tell(self, value: bytes, reason: str) -> None:
        """Gives an event that was not delivered to `on_error`."""
        failure = DeliveryError(decode_usage_event(value), reason)
        try:
            self._on_error(failure)
        except Exception:
            # It would come up in whichever report happened to poll, as if that one had failed.
            logger.exception("on_error raised for: %s", failure)


def _poll_until(producer: Producer, stop: Event) -> None:
    # Not a blocking poll: woken for each delivery, it would compete for the interpreter.
    while not stop.wait(_POLL_SECONDS):
        producer.poll(0)


def _nothing_to_poll(_: float) -> int:
    return 0


def _refuse(*_: object, **__: object) -> NoReturn:
    raise ReporterClosedError("this reporter was closed: make a new one")

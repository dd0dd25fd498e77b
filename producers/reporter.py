"""The SDK that an agent runtime embeds: one call per node that ran, from any thread, flushed at exit.

with UsageReporter(bootstrap_servers="kafka:9092", source="runtime/eu-1") as reporter:
    reporter.report(account="acme", agent="support", conversation="c-17", channel="widget", node="message")
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Self

from confluent_kafka import KafkaException, Producer

from producers import open_reporters
from producers.cloud_events import CLOUDEVENTS_HEADERS
from producers.event_ids import given_event_id, stamp_source
from producers.failures import FailureLog, OnError
from producers.reporter_options import ProducerFactory, WhenFull
from producers.reporter_queue import ReporterQueue
from producers.usage_check import CHANNELS, check_name, check_time, check_usage
from schemas.codec import encode_json
from schemas.identifiers import EventId
from schemas.usage import LARGEST_QUANTITY, LONGEST_NAME, Usage, UsageEvent


class UsageReporter:
    """Reports usage events to Kafka: `report` queues and returns, delivery goes on behind it.

    `source` names this runtime: an event's identity is (account, source, id). The queue holds at most
    `max_queued` events; when it is full, `when_full` decides: `block` waits up to `block_timeout_seconds` and
    then raises QueueFullError, `drop` gives the event to `on_error`, `raise` raises at once. An event that is
    not delivered within `delivery_timeout_seconds` is given to `on_error`, on whichever thread notices;
    without one it is logged. `kafka_config` adds librdkafka's settings, as for TLS and SASL. A child after a
    fork gets a producer of its own and none of the parent's queue. What is queued at exit is flushed for up
    to `close_timeout_seconds`.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        source: str,
        topic: str = "usage.events",
        on_error: OnError | None = None,
        max_queued: int = 100_000,
        when_full: WhenFull = "block",
        block_timeout_seconds: float = 60.0,
        delivery_timeout_seconds: float = 120.0,
        close_timeout_seconds: float = 10.0,
        kafka_config: Mapping[str, object] | None = None,
        make_producer: ProducerFactory = Producer,
    ) -> None:
        check_name("source", source)
        self.source = source
        self.topic = topic
        self._close_timeout_seconds = close_timeout_seconds
        self._queue = ReporterQueue(
            bootstrap_servers=bootstrap_servers,
            topic=topic,
            headers=CLOUDEVENTS_HEADERS,
            on_error=on_error or FailureLog(),
            max_queued=max_queued,
            when_full=when_full,
            block_timeout_seconds=block_timeout_seconds,
            delivery_timeout_seconds=delivery_timeout_seconds,
            kafka_config=kafka_config or {},
            make_producer=make_producer,
        )
        self._next_stamp = stamp_source()
        self._polled_at = ""
        open_reporters.remember(self)

    def report(
        self,
        *,
        account: str,
        agent: str,
        conversation: str,
        channel: str,
        node: str,
        quantity: int | Decimal = 1,
        occurred_at: datetime | None = None,
        id: str | None = None,  # noqa: A002  # CloudEvents' word
        run: str | None = None,
        span: str | None = None,
    ) -> EventId:
        """Queues one usage event and returns its id; InvalidUsageError if the pipeline would reject it.

        The id is the caller's, else made from `run`, `span` and `node`, else a new UUIDv7. `occurred_at` is
        now unless given. Reporting an event again is booked once if the id and all else, its time too, are
        the same.
        """
        # One expression for what is nearly always true: saying what is wrong costs ten times as much.
        if not (
            type(account) is type(agent) is type(conversation) is type(node) is str
            and 0 < len(account) <= LONGEST_NAME
            and 0 < len(agent) <= LONGEST_NAME
            and 0 < len(conversation) <= LONGEST_NAME
            and 0 < len(node) <= LONGEST_NAME
            and channel in CHANNELS
            and type(quantity) is int
            and 0 < quantity <= LARGEST_QUANTITY
        ):
            quantity = check_usage(account, agent, conversation, channel, node, quantity)
        event_id, now = self._next_stamp()
        time = now if occurred_at is None else check_time(occurred_at)
        if id is not None or run is not None or span is not None:
            event_id = given_event_id(id, run, span, node)
        # Structs are not checked when they are made, the names were above, and five NewType calls cost 0.3
        # µs.
        usage = Usage(agent, conversation, channel, node, quantity)  # type: ignore[arg-type]
        event = UsageEvent(event_id, self.source, account, time, usage)  # type: ignore[arg-type]
        try:
            value = encode_json(event)
            self._queue.produce(self.topic, value, account, headers=CLOUDEVENTS_HEADERS)
        except UnicodeEncodeError:
            check_usage(account, agent, conversation, channel, node, quantity)
            raise
        except BufferError:
            self._queue.put_when_there_is_room(value, account)
        except KafkaException as error:
            self._queue.tell(value, str(error.args[0]))
        if now is not self._polled_at:
            # Once a millisecond at most: what was delivered since leaves the queue, on the thread that runs.
            self._polled_at = now
            self._queue.poll(0)
        return event_id

    def event_id(self, *, run: str | None = None, span: str | None = None, node: str) -> EventId:
        """The id that `report` would use when it is given none."""
        if run is None and span is None:
            return self._next_stamp()[0]
        return given_event_id(None, run, span, node)

    @property
    def queued(self) -> int:
        """How many events are queued or on their way."""
        return len(self._queue)

    def start(self) -> None:
        """Makes the producer now, which the first report would do otherwise; takes some milliseconds."""
        self._queue.start()

    def flush(self, timeout_seconds: float | None = None) -> int:
        """Waits until what is queued is delivered or given up; returns how many events still are queued."""
        return self._queue.flush(timeout_seconds)

    def close(self, timeout_seconds: float | None = None) -> int:
        """Flushes and ends; what is not delivered in time is given to `on_error`, and counted."""
        open_reporters.forget(self)
        return self._queue.close(self._close_timeout_seconds if timeout_seconds is None else timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start_anew_in_child(self) -> None:
        """In a forked child: the parent delivers its queue, this process makes a producer of its own."""
        self._next_stamp = stamp_source()
        self._queue.start_anew_in_child()

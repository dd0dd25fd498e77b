"""Reads what topics hold: committed records, from their beginning or a time to where they end now; joins no group."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

T = TypeVar("T")

_ANSWER_SECONDS = 30.0
_WAIT_SECONDS = 0.05
_BATCH_RECORDS = 500
_LONGEST_SILENCE_SECONDS = 60.0
_MOST_TRIES = 3
# What a client says of itself while its connection comes back.
_PASSING = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)


class UnreadableTopicError(Exception):
    """A topic that cannot be read; the text says which, and why."""


class Span(NamedTuple):
    """A part of one partition: from the offset `first` until before `end`; `is_cut` if retention took what was before.

    A span from a time is not cut where the partition has an older record.
    """

    topic: str
    partition: int
    first: int
    end: int
    is_cut: bool


class TopicReader:
    """Reads topics by partitions that are assigned by hand."""

    def __init__(self, kafka: Mapping[str, str | int | float | bool], group: str) -> None:
        self._config: dict[str, str | int | float | bool] = {
            **kafka,
            # Named, as librdkafka wants it, but never joined: partitions are assigned by hand.
            "group.id": group,
            "log_level": 0,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 16 << 10,
        }

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        consumer = Consumer(self._config)
        try:
            return len(_partitions(consumer, topic))
        except KafkaException as error:
            raise _unreadable(topic, error) from None
        finally:
            consumer.close()

    def spans(self, topic: str, partitions: Collection[int] | None = None, since_ms: int | None = None) -> list[Span]:
        """What the partitions, or all of them, hold now: everything, or what was written since a time."""
        consumer = Consumer(self._config)
        try:
            wanted = _partitions(consumer, topic) if partitions is None else sorted(partitions)
            return [_span(consumer, topic, partition, since_ms) for partition in wanted]
        except KafkaException as error:
            raise _unreadable(topic, error) from None
        finally:
            consumer.close()

    def records(self, topic: str) -> Iterator[Message]:
        """Every record, one partition after the other; what comes meanwhile is not read."""
        return self.read(self.spans(topic))

    def read(self, spans: Iterable[Span]) -> Iterator[Message]:
        """The records of some spans, one after the other."""
        consumer = Consumer(self._config)
        topic = ""
        try:
            for span in spans:
                topic = span.topic
                if span.first < span.end:
                    consumer.assign([TopicPartition(topic, span.partition, span.first)])
                    yield from _until(consumer, span)
        except KafkaException as error:
            raise _unreadable(topic, error) from None
        finally:
            consumer.close()


def _unreadable(topic: str, error: KafkaException) -> UnreadableTopicError:
    told = error.args[0].str()
    return UnreadableTopicError(f"topic {topic} cannot be read: {told} (python -m stream create-topics?)")


def _answered(ask: Callable[[], T]) -> T:
    """What a broker answers; asked again where another time it may."""
    for _ in range(_MOST_TRIES - 1):
        try:
            return ask()
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if not error.retriable() and error.code() not in _PASSING:
                raise
    return ask()


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    def ask() -> list[int]:
        found = consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    return _answered(ask)


def _span(consumer: Consumer, topic: str, partition: int, since_ms: int | None) -> Span:
    low, end = _answered(lambda: consumer.get_watermark_offsets(TopicPartition(topic, partition), _ANSWER_SECONDS))
    if since_ms is None:
        return Span(topic, partition, low, end, low > 0)
    asked = TopicPartition(topic, partition, max(0, since_ms))
    found = _answered(lambda: consumer.offsets_for_times([asked], timeout=_ANSWER_SECONDS))
    # The end stands for no record as late as that.
    first = found[0].offset if found[0].offset >= 0 else end
    return Span(topic, partition, first, end, 0 < low == first)


def _until(consumer: Consumer, span: Span) -> Iterator[Message]:
    # Counted in waits and not by a clock: who was stopped for a while has not listened meanwhile.
    silent = 0
    while True:
        messages = consumer.consume(_BATCH_RECORDS, _WAIT_SECONDS)
        silent = 0 if messages else silent + 1
        if silent * _WAIT_SECONDS > _LONGEST_SILENCE_SECONDS:
            raise UnreadableTopicError(
                f"{span.topic}/{span.partition} was silent for {_LONGEST_SILENCE_SECONDS:.0f} s: try again"
            )
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return
                if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
                    raise KafkaException(error)
            elif (message.offset() or 0) >= span.end:
                return
            else:
                yield message

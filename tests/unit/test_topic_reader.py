"""Topics are read to where they ended: what passes is asked again, what does not is told with the topic's name."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

import stream.topic_reader as reading
from stream.topic_reader import Span, TopicReader, UnreadableTopicError

TIMED_OUT = KafkaError(KafkaError._TIMED_OUT)
REFUSED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
END = Message(topic="log", partition=0, offset=9, error=KafkaError(KafkaError._PARTITION_EOF))


class Broken:
    """A consumer that answers as scripted: errors, watermarks, and what it consumes."""

    def __init__(self, watermarks: list[Any], consumed: list[list[Message]]) -> None:
        self._watermarks = iter(watermarks)
        self._consumed = iter(consumed)
        self.closed = False

    def get_watermark_offsets(self, *_: object) -> tuple[int, int]:
        answer = next(self._watermarks)
        if isinstance(answer, KafkaError):
            raise KafkaException(answer)
        return answer  # type: ignore[no-any-return]

    def assign(self, _: object) -> None:
        """Taken as it is."""

    def consume(self, *_: object) -> list[Message]:
        return next(self._consumed, [])

    def close(self) -> None:
        self.closed = True


Script = Callable[..., Broken]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """Every consumer is the one that is scripted, and is closed in the end."""
    made: list[Broken] = []

    def scripted(watermarks: list[Any] | None = None, consumed: list[list[Message]] | None = None) -> Broken:
        made.append(Broken(watermarks or [], consumed or []))
        monkeypatch.setattr(reading, "Consumer", lambda _: made[-1])
        return made[-1]

    yield scripted
    assert all(each.closed for each in made)


def record(offset: int) -> Message:
    """One of the topic."""
    return Message(topic="log", partition=0, offset=offset, value=b"x")


@pytest.mark.parametrize("answers", [[(3, 9)], [TIMED_OUT, (3, 9)], [TIMED_OUT, TIMED_OUT, (3, 9)]])
def test_what_passes_is_asked_again(script: Script, answers: list[Any]) -> None:
    """A broker that was away for a moment, or a process that was stopped meanwhile."""
    script(answers)
    assert TopicReader({}, "g").spans("log", [0]) == [Span("log", 0, 3, 9, is_cut=True)]


@pytest.mark.parametrize("answers", [[REFUSED], [TIMED_OUT, TIMED_OUT, TIMED_OUT], [TIMED_OUT, REFUSED]])
def test_what_does_not_pass_is_told_with_the_topic(script: Script, answers: list[Any]) -> None:
    """At once where nothing else is to be expected, else after three times."""
    script(answers)
    with pytest.raises(UnreadableTopicError, match="topic log cannot be read"):
        TopicReader({}, "g").spans("log", [0])


def offsets(span: Span) -> list[int | None]:
    """What is read of a span."""
    return [message.offset() for message in TopicReader({}, "g").read([span])]


@pytest.mark.parametrize(
    ("consumed", "read"),
    [
        ([[record(3), record(4)], [record(8), record(9)]], [3, 4, 8]),
        ([[record(3)], [], [], [record(4), END]], [3, 4]),
        ([[], [END]], []),
    ],
)
def test_a_span_is_read_to_its_end(script: Script, consumed: list[list[Message]], read: list[int]) -> None:
    """Which may be met by a later record, or by the end of the partition, where markers are last."""
    script(consumed=consumed)
    assert offsets(Span("log", 0, 3, 9, is_cut=False)) == read


def test_an_empty_span_is_not_asked_for(script: Script) -> None:
    """Nothing is assigned."""
    script()
    assert offsets(Span("log", 0, 9, 9, is_cut=False)) == []


def test_a_partition_that_stays_silent_is_told(script: Script) -> None:
    """After as many waits as a minute has, however long its process was stopped."""
    script(consumed=[[record(3)]])
    with pytest.raises(UnreadableTopicError, match="log/0 was silent for 60 s"):
        offsets(Span("log", 0, 3, 9, is_cut=False))

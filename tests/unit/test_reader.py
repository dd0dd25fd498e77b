"""What a poll returned is cut into runs of one partition's records."""

import pytest
from confluent_kafka import KafkaError, Message

from stream.engine.reader import _end_of_run


def record(offset: int, partition: int = 0, topic: str = "usage") -> Message:
    """A record of which only the place matters."""
    return Message(topic=topic, partition=partition, offset=offset, value=b"")


def end(offset: int) -> Message:
    """A partition is read to its end: it has the offset of the next record."""
    return Message(topic="usage", partition=0, offset=offset, error=KafkaError(KafkaError._PARTITION_EOF))


@pytest.mark.parametrize(
    ("messages", "last"),
    [
        ([record(7)], 1),
        ([record(7), record(8), record(9)], 3),
        ([record(7), record(9)], 1),
        ([record(7), record(8, partition=1)], 1),
        ([record(7), record(8, topic="commands")], 1),
        ([end(7), record(7)], 1),
        ([record(7), end(8)], 1),
        ([record(7), record(8), record(9), end(10)], 2),
        ([record(7), record(8, topic="commands"), record(9)], 1),
        ([record(7), record(8), record(3, partition=1), record(10)], 2),
        ([record(7), end(8), record(9)], 1),
    ],
)
def test_a_run_ends_before_a_gap_another_place_or_an_end(messages: list[Message], last: int) -> None:
    """It may be shorter than it could be, never longer."""
    assert _end_of_run(messages, 0) == last

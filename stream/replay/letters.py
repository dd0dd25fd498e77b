"""Dead letters and their places, as they are read from their topic."""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import MsgspecError

from schemas.codec import decode_dead_letter
from schemas.dead_letter import DeadLetter
from stream.topic_reader import TopicReader, UnreadableTopicError


class LetterPlace(NamedTuple):
    """Where a dead letter is in its topic; written `partition/offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"


class Letter(NamedTuple):
    """A dead letter and its place."""

    place: LetterPlace
    letter: DeadLetter


def read_letters(reader: TopicReader, topic: str) -> Iterator[Letter]:
    """Every dead letter; one that cannot be read is an UnreadableTopicError."""
    for message in reader.records(topic):
        place = LetterPlace(message.partition() or 0, message.offset() or 0)
        try:
            yield Letter(place, decode_dead_letter(message.value() or b""))
        except MsgspecError as error:
            raise UnreadableTopicError(f"{topic}/{place} is no dead letter: {error}") from None

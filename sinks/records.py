"""A Kafka record as the sink handles it, apart from the client library."""

from typing import NamedTuple


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Record(NamedTuple):
    """One record; the timestamp is in milliseconds since 1970, UTC."""

    place: Place
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None

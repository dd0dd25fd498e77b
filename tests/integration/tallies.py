"""A small pipeline for tests of the engine: counts records by key, and says of each where it was booked."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
from confluent_kafka import Message
from msgspec import Struct

from stream.engine.lane import FEW, Run
from stream.engine.outbox import Outbox, Record
from stream.engine.processor import NEVER_MS, LookUp
from stream.engine.tables import Table

TIMER = "timer"
"""In place of a topic, where a timer was booked: its offset is when it was due, its append time the clock."""


class Tally(Struct):
    """How many records a key has, as checkpoint `version` left it."""

    name: str
    count: int = 0
    version: int = 0


class Booking(Struct, frozen=True):
    """A record as it was booked: its place, and the value of the broadcast topic that was in use."""

    topic: str
    offset: int
    version: int
    sequence: int
    appended_ms: int
    broadcast: str
    found: list[int] = []
    """Of a record that asks for another: the checkpoints in which that was booked."""


class BookingLookUp:
    """Looks for the booking of a record of the first input."""

    def __init__(self, topic: str, place: int, of_topic: str) -> None:
        self.topic = topic
        self.place = place
        self.found: list[int] = []
        self._of_topic = of_topic

    def places(self, value: bytes) -> tuple[int, int] | None:
        booking = decode_booking(value)
        return (booking.offset, booking.offset) if booking.topic == self._of_topic else None

    def take(self, values: Sequence[bytes]) -> None:
        self.found = [decode_booking(value).version for value in values]


class Journal:
    """A log that holds the key of every record."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.keys: list[str] = []
        self.loaded = 0
        self._new: list[str] = []

    def note(self, key: str) -> None:
        """Remember a key, for good from the next checkpoint on."""
        self.keys.append(key)
        self._new.append(key)

    def drain(self) -> list[Record]:
        new, self._new = self._new, []
        return [(self.topic, None, msgspec.json.encode(new))] if new else []

    def begin_restore(self, clock_ms: int) -> int:  # noqa: ARG002  the protocol's
        return 0

    def restore(self, value: bytes) -> None:
        self.keys += msgspec.json.decode(value, type=list[str])

    def finish_restore(self) -> None:
        """Nothing to sort."""

    def dump(self) -> Iterator[bytes]:
        yield msgspec.json.encode(self.keys)

    def load(self, dumped: Iterable[bytes | memoryview]) -> bool:
        for chunk in dumped:
            self.restore(bytes(chunk))
        self.loaded = len(self.keys)
        return True


class TallyProcessor:
    """Books one record after the other, and a timer at `due_ms`; `escape` may raise in the middle of a batch.

    A record of the second input, `find OFFSET`, is booked with where that one of the first input was booked.
    """

    def __init__(
        self,
        output: str,
        changelog: str,
        journal: str,
        escape: Callable[[Message], None] = lambda _: None,
        asked_of: str = "",
    ) -> None:
        self.table: Table[str, Tally] = Table(
            changelog, lambda row: row.name.encode(), msgspec.json.encode, lambda key: key.decode(), decode_tally
        )
        self.journal = Journal(journal)
        self.tables = (self.table,)
        self.logs = (self.journal,)
        self.broadcast: object = ""
        self.padding = b""
        self.due_ms = NEVER_MS
        self._output = output
        self._escape = escape
        self._asked_of = asked_of
        self._bookings: list[Booking] = []
        self._answers: dict[int, list[int]] = {}

    @property
    def total(self) -> int:
        return sum(row.count for row in self.table.values())

    def apply(self, runs: Sequence[Run], version: int, clock_ms: int, now_ms: int) -> int:  # noqa: ARG002  the protocol's
        self._fire(version, clock_ms)
        for _, records in runs:
            for record in records:
                self._escape(record)
                clock_ms = max(clock_ms, record.timestamp()[1])
                self._fire(version, clock_ms)
                self._book(record, version)
        return clock_ms

    def look_ups(self, runs: Sequence[Run]) -> Sequence[LookUp]:
        asked = [_asked_for(record) for which, records in runs if which == FEW for record in records]
        return [
            BookingLookUp(self._output, offset, self._asked_of)
            for offset in asked
            if offset is not None and not self._held(offset)
        ]

    def answer(self, look_ups: Sequence[LookUp]) -> None:
        self._answers = {each.place: each.found for each in look_ups if isinstance(each, BookingLookUp)}

    def drain(self, version: int, booked_at_ms: int) -> Outbox:  # noqa: ARG002  the protocol's
        """What was booked is encoded later, in the checkpoint's thread."""
        bookings, self._bookings = self._bookings, []

        def encoded() -> list[Record]:
            return [(self._output, None, msgspec.json.encode(each) + self.padding) for each in bookings]

        return Outbox(self.journal.drain(), encoded)

    def adopt(self, broadcast: object) -> None:
        self.broadcast = broadcast

    def drained(self) -> None:
        """Nothing to evict."""

    def _fire(self, version: int, clock_ms: int) -> None:
        """Book the timer once it is due."""
        if clock_ms >= self.due_ms:
            self._bookings.append(Booking(TIMER, self.due_ms, version, len(self._bookings), clock_ms, ""))
            self.due_ms = NEVER_MS

    def _book(self, record: Message, version: int) -> None:
        key = (record.key() or b"").decode()
        row = self.table.setdefault(key, Tally(key))
        row.count += 1
        if row.version != version:
            row.version = version
            self.table.changed.append(row)
        self.journal.note(key)
        self._bookings.append(
            Booking(
                record.topic() or "",
                record.offset() or 0,
                version,
                len(self._bookings),
                record.timestamp()[1],
                str(self.broadcast),
                self._found(record),
            )
        )

    def _held(self, offset: int) -> list[int]:
        """The checkpoints of what is not drained yet."""
        return [each.version for each in self._bookings if (each.topic, each.offset) == (self._asked_of, offset)]

    def _found(self, record: Message) -> list[int]:
        asked = None if record.topic() == self._asked_of else _asked_for(record)
        return [] if asked is None else self._held(asked) or self._answers.get(asked, [])


def _asked_for(record: Message) -> int | None:
    """The offset of the record that this one asks for."""
    word, _, offset = (record.value() or b"").partition(b" ")
    return int(offset) if word == b"find" else None


decode_tally = msgspec.json.Decoder(Tally).decode
decode_booking = msgspec.json.Decoder(Booking).decode
decode_keys = msgspec.json.Decoder(list[str]).decode

"""What the engine asks of the pipeline that it carries: one processor for each partition that a worker owns."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from stream.engine.lane import Run
from stream.engine.outbox import Outbox
from stream.engine.tables import Changelogged

NEVER_MS = (1 << 63) - 1
"""Later than any clock."""


class Log(Protocol):
    """State that is restored from what was appended to a topic, within a window of time."""

    topic: str

    def begin_restore(self, clock_ms: int) -> int:
        """The append time from which the topic must be read, in ms, given the partition's clock."""

    def restore(self, value: bytes) -> None:
        """Take one record of the topic, in order."""

    def finish_restore(self) -> None:
        """Everything was read: sort, check bounds."""

    def dump(self) -> Iterable[bytes]:
        """All of it, in chunks, for a local file that spares a restart the reading."""

    def load(self, dumped: Iterable[bytes | memoryview]) -> bool:
        """Take what `dump` returned; False when it is of no use."""


class LookUp(Protocol):
    """What a batch needs of an output that its partition wrote earlier: whatever came of one place of an input.

    Places are offsets of that input, and rise along the output. Both methods are called in a thread, for one look-up
    after the other.
    """

    @property
    def topic(self) -> str:
        """The output."""

    @property
    def place(self) -> int:
        """The place that is looked for."""

    def places(self, value: bytes) -> tuple[int, int] | None:
        """The lowest and the highest place that a record came of; None when it came of none."""

    def take(self, values: Sequence[bytes]) -> None:
        """Keep what matters of the records that may have come of the place, instead of what was taken before."""


class Processor(Protocol):
    """The tables, logs and rules of one partition. Applying is synchronous and does no I/O."""

    @property
    def tables(self) -> Sequence[Changelogged]:
        """Restored from their changelogs."""

    @property
    def logs(self) -> Sequence[Log]:
        """Restored from what was appended to them."""

    @property
    def due_ms(self) -> int:
        """The partition's clock from which a tick would change something, in ms; NEVER_MS when none would.

        It is asked several times a second. A tick must leave it later than its own clock, or the next one follows.
        """

    def apply(self, runs: Sequence[Run], version: int, clock_ms: int, now_ms: int) -> int:
        """Book a batch in order as part of checkpoint `version`; the partition's clock after it.

        `clock_ms` is the partition's clock before it. Without runs it is a tick, and that is what the clock moved to.
        `now_ms` is this machine's clock; all are in ms since 1970. It may empty the lists of records as it goes: nobody
        looks at them again.
        """

    def look_ups(self, runs: Sequence[Run]) -> Sequence[LookUp]:
        """What booking these runs needs of outputs that were drained: cheap, and almost always nothing.

        It is asked for every batch with records, and again after each reading: until it names nothing new.
        """

    def answer(self, look_ups: Sequence[LookUp]) -> None:
        """What was found, for the batch that is applied next; of a place that the topic no longer holds, nothing."""

    def drain(self, version: int, booked_at_ms: int) -> Outbox:
        """All outputs since the last call, encoded, or to be worked out; the tables are drained by the engine."""

    def adopt(self, broadcast: object) -> None:
        """Use this value of the broadcast topic from the next batch on."""

    def drained(self) -> None:
        """What was drained is encoded: clean rows may be evicted."""

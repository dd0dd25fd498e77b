"""A lane carries one partition's inputs from the reader to the stream: merged by append time, cut into batches.

The first input is the many (usage), the second the few (commands); at equal append times the second goes first.
A record waits until the other input is known to hold nothing older: it has a newer record waiting, or all that its log
held `grace_seconds` after the record was received has been read. Clocks of different machines are never compared.

The end that a reader of committed records meets is the last stable offset. While a transaction is open its records are
behind that end and before the high watermark, so only an end that reaches the high watermark is the end of the log.
"""

from collections import deque
from collections.abc import Callable

from confluent_kafka import Message
from msgspec import Struct

LARGEST_BATCH_RECORDS = 5_000
MOST_BATCHES_UNDER_WAY = 2
MOST_RECORDS_WAITING = 8 * LARGEST_BATCH_RECORDS
MOST_BYTES_WAITING = 64 << 20
MANY, FEW = 0, 1

Offsets = tuple[int, int]


Run = tuple[int, list[Message]]
"""Consecutive records of one input."""


class Batch(Struct, frozen=True, gc=False):
    """Records that follow `after` in a partition's inputs without a gap, read in the lane's `epoch`.

    A tick has none: its `clock_ms` is what the partition's clock may move to, as everything older was read.
    """

    partition: int
    epoch: int
    after: Offsets
    next: Offsets
    runs: list[Run]
    count: int
    size_bytes: int = 0
    clock_ms: int = 0

    @property
    def is_tick(self) -> bool:
        return self.clock_ms > 0


class Tick(Struct, frozen=True, gc=False):
    """A clock, and where the brokers said that both inputs end after it was read: what is read so far is all before it.

    `clock_ms` is in ms since 1970, `ends` are high watermarks.
    """

    clock_ms: int
    ends: Offsets


class Lane:
    """The unbooked records of one partition, in the reader's thread.

    `high_watermark` tells that of an input as the last fetch had it, below 0 while it is not known.
    """

    def __init__(
        self,
        partition: int,
        epoch: int,
        position: Offsets,
        grace_seconds: float,
        high_watermark: Callable[[int], int],
    ) -> None:
        self.partition = partition
        self.epoch = epoch
        self.grace_seconds = grace_seconds
        self.delivered = 0
        self.delivered_at = 0.0
        self.paused: set[int] = set()
        self._position = position
        self._many: deque[tuple[float, list[Message], int]] = deque()
        self._few: deque[tuple[float, Message]] = deque()
        self._waiting_records = [0, 0]
        self._waiting_bytes = [0, 0]
        self._at_end = [False, False]
        self._ends = [-1, -1]
        self._tick: Tick | None = None
        self._high_watermark = high_watermark
        self._looked = [(float("-inf"), 0), (float("-inf"), 0)]
        """When the log's end was last noted, and where it was then."""

    def receive(self, which: int, records: list[Message], received: float) -> int:
        """Take records of one input, in order; how many bytes. `received` is this machine's monotonic clock, in s."""
        size_bytes = sum(map(len, records))
        self._at_end[which] = False
        self._waiting_records[which] += len(records)
        self._waiting_bytes[which] += size_bytes
        if which == MANY:
            self._many.append((received, records, size_bytes))
        else:
            self._few.extend((received, record) for record in records)
        return size_bytes

    def reached_end(self, which: int, offset: int) -> None:
        """All records of the input before its last stable offset, which is given, were received."""
        self._at_end[which] = True
        self._ends[which] = offset

    def expect(self, tick: Tick) -> None:
        """Hand out this tick once both inputs are read to its ends, instead of one that still waits."""
        self._tick = tick

    @property
    def position(self) -> Offsets:
        """The next offsets of the inputs, of what was handed out."""
        return self._position

    @property
    def waiting_records(self) -> int:
        return sum(self._waiting_records)

    @property
    def waiting_bytes(self) -> int:
        return sum(self._waiting_bytes)

    @property
    def hungry(self) -> bool:
        """Less than a batch waits, and there is more to read; or what waits may not be booked without it."""
        lacking = self.lacking
        if lacking is not None and not self._read_to_its_end(lacking):
            return True
        return not self.caught_up and self.waiting_records < LARGEST_BATCH_RECORDS and not self.full(MANY)

    def full(self, which: int) -> bool:
        """Enough of that input waits."""
        return self._waiting_records[which] >= MOST_RECORDS_WAITING or self._waiting_bytes[which] >= MOST_BYTES_WAITING

    @property
    def caught_up(self) -> bool:
        """Both inputs are read to their last stable offsets and nothing waits."""
        return all(self._at_end) and not self.waiting_records

    @property
    def lacking(self) -> int | None:
        """The input of which nothing waits while records of the other one do."""
        for which, other in ((MANY, FEW), (FEW, MANY)):
            if self._waiting_records[other] and not self._waiting_records[which]:
                return which
        return None

    def take(self, now: float) -> Batch | None:
        """The next batch, or None while nothing may be booked yet."""
        runs: list[Run] = []
        after, left, waiting_bytes = self._position, LARGEST_BATCH_RECORDS, self.waiting_bytes
        while left:
            if self._many and self._few:
                left -= self._take_one_run(runs, left)
            elif self._many and self._settled(FEW, self._many[0][0], now):
                left -= self._take_many(runs, left)
            elif self._few and self._settled(MANY, self._few[0][0], now):
                left -= self._take_few(runs)
            else:
                break
        if not runs:
            return self._take_tick()
        self.delivered += 1
        self.delivered_at = now
        taken_bytes = waiting_bytes - self.waiting_bytes
        return Batch(self.partition, self.epoch, after, self._position, runs, LARGEST_BATCH_RECORDS - left, taken_bytes)

    def _take_tick(self) -> Batch | None:
        """The tick, when nothing waits before it. It counts for nothing that is under way: lost, it is not missed."""
        tick = self._tick
        if tick is None or self.waiting_records:
            return None
        if not all(self._at_end[which] and self._ends[which] >= tick.ends[which] for which in (MANY, FEW)):
            return None
        self._tick = None
        return Batch(self.partition, self.epoch, self._position, self._position, [], 0, 0, tick.clock_ms)

    def _read_to_its_end(self, which: int) -> bool:
        return self._at_end[which] and 0 <= self._high_watermark(which) <= self._ends[which]

    def _settled(self, other: int, received: float, now: float) -> bool:
        """Whether the other input, of which nothing waits, holds nothing older than a record received then."""
        if not self._at_end[other] or now - received < self.grace_seconds:
            return False
        high = self._high_watermark(other)
        if high < 0:
            return False
        if self._looked[other][0] - received < self.grace_seconds:
            self._looked[other] = now, high
        # Transactions that begin one before the other ends would else hold a record back for ever.
        return self._ends[other] >= min(high, self._looked[other][1])

    def _take_one_run(self, runs: list[Run], room: int) -> int:
        """Move what comes before the next record of the few, or that record itself."""
        few_at_ms = self._few[0][1].timestamp()[1]
        many = self._many[0][1]
        count = 0
        while count < min(len(many), room) and many[count].timestamp()[1] < few_at_ms:
            count += 1
        return self._take_many(runs, count) if count else self._take_few(runs)

    def _take_many(self, runs: list[Run], room: int) -> int:
        received, taken, taken_bytes = self._many.popleft()
        if room < len(taken):
            taken, rest, all_bytes = taken[:room], taken[room:], taken_bytes
            taken_bytes = sum(map(len, taken))
            self._many.appendleft((received, rest, all_bytes - taken_bytes))
        self._waiting_records[MANY] -= len(taken)
        self._waiting_bytes[MANY] -= taken_bytes
        self._position = (offset_after(taken[-1]), self._position[FEW])
        _extend(runs, MANY, taken)
        return len(taken)

    def _take_few(self, runs: list[Run]) -> int:
        _, record = self._few.popleft()
        self._waiting_records[FEW] -= 1
        self._waiting_bytes[FEW] -= len(record)
        self._position = (self._position[MANY], offset_after(record))
        _extend(runs, FEW, [record])
        return 1


def _extend(runs: list[Run], which: int, records: list[Message]) -> None:
    if runs and runs[-1][0] == which:
        runs[-1] = (which, runs[-1][1] + records)
    else:
        runs.append((which, records))


def offset_after(record: Message) -> int:
    """The offset to go on from; records read from Kafka always have one."""
    offset = record.offset()
    assert offset is not None  # noqa: S101  a narrowing for the type checker: only produced messages lack one
    return offset + 1

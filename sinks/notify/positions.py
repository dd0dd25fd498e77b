"""Which records of each partition are settled: delivered, or given up in a place where they are kept.

They are settled out of order, and a partition has one offset to commit: that of the first that is open. Which later
ones are settled goes with it as metadata, so that a restart repeats nothing but what was on its way.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from sinks.records import Place

_MOST_OPEN_TOLD = 256
# Kafka's `offset.metadata.max.bytes`, less some.
_LONGEST_NOTE_BYTES = 4_000


class Note(Struct, frozen=True):
    """What goes with a committed offset: before `until`, those that are so far behind it are open, and no others."""

    until: int
    open: list[int] = []


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Note).decode


class _Partition:
    def __init__(self, committed: int, note: Note) -> None:
        self.next = committed
        self.settled_until = max(committed, note.until)
        self.open_before = {committed + distance for distance in note.open}
        self.open: dict[int, None] = {}
        self.told = (committed, "")

    def go_back(self, offset: int) -> None:
        """Reading begins again there, as of a topic that was made again: what is behind it counts as open."""
        self.settled_until = 0
        self.open_before.clear()
        self.open = {each: None for each in self.open if each < offset}

    def commit(self) -> tuple[int, str]:
        offset = next(iter(self.open), self.next)
        # What is not read again yet is as the last notifier left it.
        until = max(self.next, self.settled_until)
        still_open = [*self.open, *sorted(each for each in self.open_before if each >= self.next)]
        if len(still_open) > _MOST_OPEN_TOLD:
            until = still_open[_MOST_OPEN_TOLD]
            del still_open[_MOST_OPEN_TOLD:]
        if until <= offset:
            return offset, ""
        note = _encode(Note(until, [each - offset for each in still_open])).decode()
        return offset, note if len(note) <= _LONGEST_NOTE_BYTES else ""


class Positions:
    """Of the partitions that are ours."""

    def __init__(self) -> None:
        self._partitions: dict[Place, _Partition] = {}

    def __len__(self) -> int:
        return len(self._partitions)

    def __contains__(self, place: Place) -> bool:
        return place in self._partitions

    @property
    def places(self) -> list[Place]:
        """The partitions."""
        return list(self._partitions)

    def take(self, place: Place, committed: int, metadata: str) -> None:
        """The partition is ours, from what was committed on; metadata that is no note of ours says nothing."""
        self._partitions[place] = _Partition(committed, _read(metadata))

    def drop(self, places: Iterable[Place]) -> None:
        """The partitions are somebody else's."""
        for place in places:
            self._partitions.pop(place, None)

    def read(self, place: Place, offset: int) -> bool:
        """Whether the record is open, now that it is read: False if an earlier notifier settled it."""
        partition = self._partitions[place]
        if offset < partition.next:
            partition.go_back(offset)
        partition.next = offset + 1
        if offset < partition.settled_until and offset not in partition.open_before:
            return False
        partition.open_before.discard(offset)
        partition.open[offset] = None
        return True

    def reached(self, place: Place, next_offset: int) -> None:
        """There is nothing to read before this offset."""
        partition = self._partitions[place]
        partition.next = max(partition.next, next_offset)

    def settle(self, place: Place, offset: int) -> None:
        """The record is delivered or kept elsewhere; of partitions that are not ours nothing is noted."""
        if place in self._partitions:
            self._partitions[place].open.pop(offset, None)

    def due(self) -> dict[Place, tuple[int, str]]:
        """What to commit: the offset and the metadata of each partition where they changed."""
        commits = {place: partition.commit() for place, partition in self._partitions.items()}
        return {place: commit for place, commit in commits.items() if commit != self._partitions[place].told}

    def committed(self, commits: dict[Place, tuple[int, str]]) -> None:
        """These need not be committed again."""
        for place, commit in commits.items():
            self._partitions[place].told = commit


def _read(metadata: str) -> Note:
    try:
        return _decode(metadata) if metadata else Note(0)
    except msgspec.MsgspecError:
        return Note(0)

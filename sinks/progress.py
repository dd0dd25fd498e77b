"""How far each partition that this sink reads is in ClickHouse."""

from collections.abc import Iterable, Mapping

from sinks.batch import Reached
from sinks.records import Place
from sinks.restarts import CommitNote, WrittenLately, write_note


class PartitionProgress:
    """One partition: what is written, and how old the newest record of that is."""

    def __init__(self, position: int, lately: WrittenLately) -> None:
        self.written = position
        self.newest_ms = 0
        self.lately = lately


class Progress:
    """The progress of all partitions that are ours; `now` is the loop's clock, in seconds."""

    def __init__(self, rewind_seconds: float) -> None:
        self._rewind_seconds = rewind_seconds
        self._partitions: dict[Place, PartitionProgress] = {}

    def __contains__(self, place: Place) -> bool:
        return place in self._partitions

    def __len__(self) -> int:
        return len(self._partitions)

    @property
    def places(self) -> list[Place]:
        """The partitions that are ours."""
        return list(self._partitions)

    def take(self, place: Place, position: int, rewind_to: int, now: float) -> None:
        """The partition is ours, read from `position` on; what was written lately begins at `rewind_to`."""
        self._partitions[place] = PartitionProgress(position, WrittenLately(self._rewind_seconds, rewind_to, now))

    def drop(self, places: Iterable[Place]) -> None:
        """The partitions are somebody else's."""
        for place in places:
            self._partitions.pop(place, None)

    def saw(self, place: Place, timestamp_ms: int) -> None:
        """A record that waits: until one is written, the first tells how far behind the partition is."""
        partition = self._partitions[place]
        partition.newest_ms = partition.newest_ms or timestamp_ms

    def write(self, reached: Mapping[Place, Reached], now: float) -> None:
        """A batch is in ClickHouse."""
        for place, (next_offset, newest_ms) in reached.items():
            partition = self._partitions[place]
            partition.written = next_offset
            partition.newest_ms = max(partition.newest_ms, newest_ms)
            partition.lately.note(next_offset, now)

    def rewind(self) -> dict[Place, int]:
        """Back to before what was written lately: the offset of each partition to go on from."""
        for partition in self._partitions.values():
            partition.written = partition.lately.rewind_to
        return {place: partition.written for place, partition in self._partitions.items()}

    def offsets(self, places: Iterable[Place], servers: dict[str, int]) -> dict[Place, tuple[int, str]]:
        """The offset to commit for each partition, with its metadata."""
        partitions = ((place, self._partitions[place]) for place in places if place in self._partitions)
        return {
            place: (partition.written, write_note(CommitNote(partition.lately.rewind_to, servers)))
            for place, partition in partitions
        }

    def lags(self, stable: Mapping[Place, int], now_ms: int) -> dict[Place, tuple[int, float]]:
        """Records and seconds between what is written and the last stable offset of each partition."""
        return {
            place: _lag(partition, stable[place], now_ms)
            for place, partition in self._partitions.items()
            if place in stable
        }


def _lag(partition: PartitionProgress, stable: int, now_ms: int) -> tuple[int, float]:
    records = max(0, stable - partition.written)
    behind_ms = now_ms - partition.newest_ms if records and partition.newest_ms else 0
    return records, max(0, behind_ms) / 1000

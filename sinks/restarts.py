"""ClickHouse acknowledges rows before they are on disk, so that a crash of it can lose what was just written.

The sink therefore remembers when each server started and what was written lately. When a server turns out to
have started anew, it goes back and writes that again, which changes nothing where nothing was lost. Both are
kept in the metadata of the committed offsets, so that they outlive the sink.
"""

from collections import deque

import msgspec
from msgspec import Struct

from sinks.clickhouse import ServerStart

_SERVERS = 16
# A start is told as now less uptime, both in whole seconds.
_CLOCK_TOLERANCE_SECONDS = 2
_SAMPLES = 32


class CommitNote(Struct, frozen=True):
    """What goes with a committed offset: where to go back to, and the start of each server that was seen."""

    rewind_to: int
    servers: dict[str, int] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CommitNote).decode


def write_note(note: CommitNote) -> str:
    """The note as the metadata of an offset."""
    return _encode(note).decode()


def read_note(metadata: str | None) -> CommitNote | None:
    """The note in the metadata of an offset, or None where somebody else wrote it."""
    try:
        return _decode(metadata) if metadata else None
    except msgspec.DecodeError:
        return None


class RestartWatch:
    """Tells when a server started anew; of one never seen, a start within the rewind is taken for that."""

    def __init__(self, rewind_seconds: float) -> None:
        self._rewind_seconds = rewind_seconds
        self.servers: dict[str, int] = {}

    def outdated(self, servers: dict[str, int]) -> bool:
        """Whether one of these started anew since another sink saw them; unknown ones become known."""
        for host, started_at in servers.items():
            if host not in self.servers:
                self._remember(host, started_at)
        return any(self.servers[host] > seen + _CLOCK_TOLERANCE_SECONDS for host, seen in servers.items())

    def restarted(self, seen: ServerStart) -> bool:
        """Whether rows written lately may be gone; the server is known from now on."""
        known = self.servers.get(seen.host)
        self._remember(seen.host, seen.started_at)
        if known is None:
            return seen.uptime_seconds < self._rewind_seconds
        return seen.started_at > known + _CLOCK_TOLERANCE_SECONDS

    def _remember(self, host: str, started_at: int) -> None:
        self.servers.pop(host, None)
        self.servers[host] = started_at
        while len(self.servers) > _SERVERS:
            del self.servers[next(iter(self.servers))]


class WrittenLately:
    """Where a partition stood over the last minutes, by the loop's clock, in seconds; at most 32 samples."""

    def __init__(self, rewind_seconds: float, position: int, now: float) -> None:
        self._rewind_seconds = rewind_seconds
        self._samples: deque[tuple[float, int]] = deque([(now, position)])

    def note(self, position: int, now: float) -> None:
        """The partition is written up to `position`."""
        if now - self._samples[-1][0] >= self._rewind_seconds / (_SAMPLES - 2):
            self._samples.append((now, position))
        while len(self._samples) > 1 and self._samples[1][0] <= now - self._rewind_seconds:
            self._samples.popleft()

    @property
    def rewind_to(self) -> int:
        """Everything that was written within the last minutes is at or after this offset."""
        return self._samples[0][1]

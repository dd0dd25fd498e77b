"""How far a partition is booked, as checkpoints write it to `{app}-progress`: for those who compare."""

import msgspec
from msgspec import Struct

PROGRESS_KEY = b"progress"
"""The key of progress in its topic; claims and topologies have others."""
_INCARNATION_BITS = 32


class BookedProgress(Struct, frozen=True):
    """A partition after one of its checkpoints: `offsets` are the next ones of the inputs, by topic."""

    checkpoint: int
    incarnation: int
    offsets: dict[str, int]
    clock_ms: int = 0

    @property
    def version(self) -> int:
        """The version of every row that this checkpoint wrote; rows of later checkpoints have a higher one."""
        return self.incarnation << _INCARNATION_BITS | self.checkpoint


decode_progress = msgspec.json.Decoder(BookedProgress).decode

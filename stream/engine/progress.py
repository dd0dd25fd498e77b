"""How far a partition is: written by every checkpoint, read by whoever takes the partition over."""

import msgspec
from msgspec import Struct

PROGRESS_KEY = b"progress"
CLAIM_KEY = b"claim"
TOPOLOGY_KEY = b"topology"
CONTROL_KEY = b"\0claim"
"""The key of a claim in a changelog: whoever reads rows skips keys that start with a zero byte."""
CHECKPOINT_HEADER = "checkpoint"
STATE_FORMAT = 1
_INCARNATION_BITS = 32


class Progress(Struct, frozen=True):
    """The state of a partition after one of its checkpoints.

    `offsets` are the next offsets of the inputs by topic, `broadcast_offset` the next one of the broadcast topic,
    `clock_ms` the append time of the newest record booked. `incarnation` is when the state began, in seconds.
    `claim` is the take-over that wrote it: two owners may number their checkpoints alike.
    """

    checkpoint: int
    incarnation: int
    offsets: dict[str, int]
    broadcast_offset: int = 0
    clock_ms: int = 0
    claim: str = ""

    @property
    def version(self) -> int:
        """Rises with every checkpoint, and over a state that was begun anew."""
        return version_of(self.incarnation, self.checkpoint)


class Claim(Struct, frozen=True):
    """Written by a take-over to every topic that it restores from: it reads until it meets its own."""

    nonce: str
    host: str
    process: int
    claimed_at_ms: int


class TopicIdentity(Struct, frozen=True):
    """A topic as the broker knows it; one that was deleted and made again has another id."""

    id: str
    partitions: int


class Topology(Struct, frozen=True):
    """The topics that a partition's state belongs to."""

    topics: dict[str, TopicIdentity]
    state_format: int = STATE_FORMAT


def version_of(incarnation: int, checkpoint: int) -> int:
    return incarnation << _INCARNATION_BITS | checkpoint


encode = msgspec.json.Encoder().encode
decode_progress = msgspec.json.Decoder(Progress).decode
decode_claim = msgspec.json.Decoder(Claim).decode
decode_topology = msgspec.json.Decoder(Topology).decode

"""Rolls up what checkpoints charged, partition by partition: charges in, rows that changed out, encoded."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from schemas.charge import ChargeRow
from schemas.codec import encode_packed
from schemas.rollup import Rollup, RollupBatch
from schemas.topics import PACKED_BYTES
from stream.engine.outbox import pack
from stream.rules.rollup import LONGEST_MS, MOST_ROWS, OpenRollups, RollupKey

_ROLLUPS_AT_ONCE = 4_000
_UNUSED_SECONDS = LONGEST_MS / 1_000

Correction = tuple[RollupKey, int]
"""What an event of that key costs more than it did, or less; in microcredits."""


class Job(Struct, frozen=True, array_like=True):
    """One checkpoint of a partition. `life` tells the partition from what it was before it was last taken over."""

    partition: int
    life: int
    version: int
    clock_ms: int
    corrections: list[Correction]


encode_job = msgspec.msgpack.Encoder().encode
decode_job = msgspec.msgpack.Decoder(Job).decode

RollUp = Callable[[Job, Sequence[bytes]], list[bytes]]
"""Given a checkpoint and its records of charges, its records of rollups. It may block, and is called by threads."""

# A ChargeBatch with its charges as the worker carries them.
_decode_charges = msgspec.msgpack.Decoder(tuple[int, int, int, int, list[ChargeRow]]).decode


class _Open(NamedTuple):
    """A partition's rows, and when they were used last, in seconds of the monotonic clock."""

    life: int
    rollups: OpenRollups
    used_at: float


class Roller:
    """Keeps the rollup rows in memory of every partition that is in use; one call at a time.

    Forgetting rows is always right, since those that come back begin in a segment of their own: so do all of them when
    a partition was taken over, and when it was not used for ten minutes.
    """

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most_rows = most_rows
        self._open: dict[int, _Open] = {}

    def roll_up(self, job: Job, charges: Sequence[bytes]) -> list[bytes]:
        """The rows that the checkpoint changed, as records; the first of its partition's life finds none."""
        rollups = self._rollups_of(job)
        for value in charges:
            rollups.add(_decode_charges(value)[-1], job.version)
        for key, more_microcredits in job.corrections:
            rollups.correct(key, more_microcredits, job.version)

        def encode(rows: Sequence[Rollup]) -> bytes:
            return encode_packed(RollupBatch(job.partition, job.version, list(rows)))

        values = [value for _, value in pack(rollups.drain(), encode, PACKED_BYTES, _ROLLUPS_AT_ONCE)]
        rollups.forget(job.clock_ms)
        return values

    def _rollups_of(self, job: Job) -> OpenRollups:
        now = time.monotonic()
        in_use = {partition: each for partition, each in self._open.items() if now - each.used_at <= _UNUSED_SECONDS}
        found = in_use.get(job.partition)
        rollups = found.rollups if found is not None and found.life == job.life else OpenRollups(self._most_rows)
        in_use[job.partition] = _Open(job.life, rollups, now)
        self._open = in_use
        return rollups

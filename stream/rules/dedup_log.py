"""How newly remembered ids are packed for the dedup log: 28 bytes an id, in the order of their admission."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.rules.dedup_runs import Column

PACKED_ID_BYTES = 28

_IDENTITY = np.dtype("V16")
_PACKED = np.dtype([("identity", "V16"), ("content", "<u4"), ("admitted_at_ms", "<i8")])
_UNPACKED = np.dtype([("hi", "<u8"), ("lo", "<u8"), ("content", "<u4"), ("admitted_at_ms", "<i8")])


class Admitted(NamedTuple):
    """A batch as it was admitted; of its ids, those with `is_new` are remembered."""

    identities: bytes
    content: Column
    admitted_at_ms: NDArray[np.int64]
    is_new: NDArray[np.bool_]


class Unpacked(NamedTuple):
    """Ids read from the log, a column each."""

    hi: Column
    lo: Column
    content: Column
    admitted_at_ms: NDArray[np.int64]


def pack(batches: Sequence[Admitted]) -> bytes:
    """The new ids of some batches."""
    if not batches:
        return b""
    is_new = np.concatenate([batch.is_new for batch in batches])
    packed = np.empty(int(is_new.sum()), _PACKED)
    packed["identity"] = np.frombuffer(b"".join([batch.identities for batch in batches]), _IDENTITY)[is_new]
    packed["content"] = np.concatenate([batch.content for batch in batches])[is_new]
    packed["admitted_at_ms"] = np.concatenate([batch.admitted_at_ms for batch in batches])[is_new]
    return packed.tobytes()


def unpack(packed: bytes) -> Unpacked:
    """The ids that were packed; ValueError if they were not cut between two ids."""
    if len(packed) % PACKED_ID_BYTES:
        raise ValueError(f"{len(packed)} bytes of the dedup log are not a multiple of {PACKED_ID_BYTES}")
    ids = np.frombuffer(packed, _UNPACKED)
    return Unpacked(ids["hi"], ids["lo"], ids["content"].astype(np.uint64), ids["admitted_at_ms"])

"""How the worker and the process beside it talk: how many parts, the length of each, then the parts."""

import socket
import struct
from collections.abc import Sequence
from io import BufferedReader
from itertools import accumulate, pairwise

_NUMBER = struct.Struct("<Q")


class BrokenFrameError(OSError):
    """The other side ended in the middle of what it said."""


def send(connection: socket.socket, parts: Sequence[bytes]) -> None:
    """Say these parts."""
    lengths = struct.pack(f"<{1 + len(parts)}Q", len(parts), *map(len, parts))
    connection.sendall(b"".join([lengths, *parts]))


def receive(reader: BufferedReader) -> list[bytes] | None:
    """The parts of what was said; None when the other side ended before it said anything more."""
    first = reader.read(_NUMBER.size)
    if not first:
        return None
    (count,) = _NUMBER.unpack(_whole(first, _NUMBER.size))
    lengths = struct.unpack(f"<{count}Q", _whole(reader.read(count * _NUMBER.size), count * _NUMBER.size))
    body = _whole(reader.read(sum(lengths)), sum(lengths))
    return [body[begin:end] for begin, end in pairwise(accumulate(lengths, initial=0))]


def _whole(read: bytes, length: int) -> bytes:
    if len(read) != length:
        raise BrokenFrameError(f"{len(read)} of {length} bytes came")
    return read

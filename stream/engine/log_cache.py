"""A log's content in a local file, written when a partition is given up, so that a restart does not read it all."""

import logging
import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

logger = logging.getLogger(__name__)

_MAGIC = b"CSLOG003"
_HEADER = struct.Struct("<8s32sqq")
_CHUNK = struct.Struct("<qI")


class CachedLog(Struct, frozen=True):
    """A log as it was, in chunks; reading goes on at `offset`."""

    offset: int
    chunks: Sequence[bytes | memoryview]


class LogCache:
    """One file for each log and partition, below `folder`; None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def save(self, topic: str, partition: int, topic_id: str, offset: int, chunks: Iterable[bytes]) -> None:
        """Replace the file; a failure is told and costs only time at the next start."""
        if self._folder is None:
            return
        path = self._path(self._folder, topic, partition)
        part = path.with_suffix(".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(_HEADER.pack(_MAGIC, topic_id.encode()[:32], offset, 0))
                count = 0
                for count, chunk in enumerate(chunks, 1):  # noqa: B007  the last one is the count
                    file.write(_CHUNK.pack(len(chunk), zlib.crc32(chunk)))
                    file.write(chunk)
                # Only a file that was written to its end has its count.
                file.seek(0)
                file.write(_HEADER.pack(_MAGIC, topic_id.encode()[:32], offset, count))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            logger.warning("the cache %s was not written: %s", path, error)

    def load(self, topic: str, partition: int, topic_id: str) -> CachedLog | None:
        """The file's content if it belongs to this very topic; the file is used once."""
        if self._folder is None:
            return None
        path = self._path(self._folder, topic, partition)
        try:
            content = path.read_bytes()
            path.unlink()
        except OSError:
            return None
        try:
            return _unpack(content, topic_id)
        except struct.error:
            return None

    @staticmethod
    def _path(folder: Path, topic: str, partition: int) -> Path:
        return folder / f"{topic}-{partition}.log-cache"


def _unpack(content: bytes, topic_id: str) -> CachedLog | None:
    magic, identity, offset, count = _HEADER.unpack_from(content)
    if magic != _MAGIC or identity.rstrip(b"\0") != topic_id.encode()[:32] or not count:
        return None
    chunks: list[memoryview] = []
    whole = memoryview(content)
    place = _HEADER.size
    for _ in range(count):
        length, checksum = _CHUNK.unpack_from(content, place)
        place += _CHUNK.size + length
        chunk = whole[place - length : place]
        if zlib.crc32(chunk) != checksum:
            return None
        chunks.append(chunk)
    return CachedLog(offset, chunks) if place == len(content) else None

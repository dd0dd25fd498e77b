"""The encodings of request bodies and replies: gzip, deflate, lz4 (frames) and zstd."""

import gzip
import sys
import zlib
from collections.abc import Callable

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_FAST = 1


def _decompress_lz4(data: bytes) -> bytes:
    """All frames of the body: clients send one a block, and lz4.frame.decompress stops after the first."""
    parts = []
    while data:
        frame = lz4.frame.LZ4FrameDecompressor()
        parts.append(frame.decompress(data))
        if not frame.eof:
            raise EOFError("the last frame is cut short")
        data = frame.unused_data or b""
    return b"".join(parts)


def _decompress_deflate(data: bytes) -> bytes:
    """All streams of the body, like frames."""
    parts = []
    while data:
        stream = zlib.decompressobj()
        parts.append(stream.decompress(data))
        if not stream.eof:
            raise EOFError("the last stream is cut short")
        data = stream.unused_data
    return b"".join(parts)


_DECOMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": _decompress_deflate,
    "lz4": _decompress_lz4,
    "zstd": zstd.decompress,
}
_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda data: zstd.compress(data, level=_FAST),
    "gzip": lambda data: gzip.compress(data, compresslevel=_FAST),
    "deflate": lambda data: zlib.compress(data, _FAST),
}


class BadBodyError(Exception):
    """A body that is not what its Content-Encoding says."""


def decompress(data: bytes, encoding: str) -> bytes:
    """The body as it was before encoding; BadBodyError when it cannot be had."""
    if encoding in ("", "identity"):
        return data
    decompressor = _DECOMPRESSORS.get(encoding)
    if decompressor is None:
        raise BadBodyError(f"Content-Encoding {encoding!r} is not one of {', '.join(_DECOMPRESSORS)}")
    try:
        return decompressor(data)
    except (OSError, EOFError, RuntimeError, ValueError, zlib.error, zstd.ZstdError) as error:
        raise BadBodyError(f"the body is not {encoding}: {error}") from None


def compress(data: bytes, accepted: str) -> tuple[bytes, str]:
    """The reply in the best encoding that the client accepts, and its name: empty when it is as it was."""
    names = {each.split(";")[0].strip() for each in accepted.split(",")}
    for name, compressor in _COMPRESSORS.items():
        if name in names:
            return compressor(data), name
    return data, ""

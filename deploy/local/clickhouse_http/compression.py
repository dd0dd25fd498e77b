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

_DECOMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": lz4.frame.decompress,
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

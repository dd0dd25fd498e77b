"""Replies: rows, or an error with ClickHouse's code."""

import re

from msgspec import Struct

_CODE = re.compile(r"Code: (\d+)\.")
UNKNOWN_EXCEPTION = 1002
AUTHENTICATION_FAILED = 516
READONLY = 164
SESSION_IS_LOCKED = 373
TOO_MANY_SESSIONS = 202
CANNOT_DECOMPRESS = 271

# As the server answers; every other code is a 500.
_STATUS = {
    36: 400, 46: 404, 47: 404, 53: 400, 60: 404, 62: 400, 81: 404, 115: 404, 159: 408, 164: 403, 202: 503,
    241: 500, 271: 400, 373: 500, 497: 403, 516: 403,
}  # fmt: skip


class Reply(Struct, frozen=True):
    """Status, ClickHouse's own headers and the body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def format(self) -> str:
        return self.headers.get("X-ClickHouse-Format", "")


def error_reply(message: str, version: str, code: int | None = None) -> Reply:
    """The reply to a statement that failed; the code is read from the message unless given."""
    start = message.find("Code: ")
    text = message[start:] if start >= 0 else message
    if code is None:
        found = _CODE.match(text)
        code = int(found[1]) if found else UNKNOWN_EXCEPTION
    if not text.startswith("Code: "):
        text = f"Code: {code}. DB::Exception: {text}"
    return Reply(
        _STATUS.get(code, 500),
        {"X-ClickHouse-Exception-Code": str(code)},
        f"{text} (version {version})\n".encode(),
    )

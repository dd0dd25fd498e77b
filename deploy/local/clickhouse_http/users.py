"""Who may ask, and whether for reading only."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

DEFAULT_USER = "default"


class User(Struct, frozen=True):
    """A user's password, empty for none, and whether only reading is allowed."""

    password: str = ""
    readonly: bool = False


Users = Mapping[str, User]


def read_users(path: Path) -> dict[str, User]:
    """The users of a JSON file: `{"name": {"password": "…", "readonly": true}}`."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, User])


def write_users(path: Path, users: Users) -> None:
    """Keep the users where only the owner can read them."""
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(users))


def authenticate(users: Users, headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, User] | None:
    """The user, with its name, whose password the request has: by Basic, ClickHouse's headers or the address."""
    name, password = _credentials(headers, query)
    user = users.get(name)
    if user is None or not hmac.compare_digest(user.password.encode(), password.encode()):
        return None
    return name, user


def _credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str]:
    authorization = headers.get("Authorization", "")
    if authorization.startswith("Basic "):
        try:
            name, _, password = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return name or DEFAULT_USER, password
    name = headers.get("X-ClickHouse-User") or query.get("user") or DEFAULT_USER
    return name, headers.get("X-ClickHouse-Key") or query.get("password") or ""

"""Signatures as Standard Webhooks 1.0 has them: https://www.standardwebhooks.com, scheme v1 (HMAC-SHA256)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from schemas.guarded_settings import Secret

_PREFIX = "whsec_"
_FEWEST_BYTES, _MOST_BYTES = 24, 64


class BadSecretError(Exception):
    """A secret that cannot be used; the text says what is allowed, and never the secret."""


def secret_key(secret: str) -> bytes:
    """The bytes of a secret as it is written down, `whsec_` and base64 of 24 to 64 bytes; BadSecretError."""
    allowed = f"`{_PREFIX}` and the base64 of {_FEWEST_BYTES} to {_MOST_BYTES} random bytes are allowed"
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecretError(f"is no base64: {allowed}") from None
    if not secret.startswith(_PREFIX) or not _FEWEST_BYTES <= len(key) <= _MOST_BYTES:
        raise BadSecretError(f"is not of the form or the length that it should be: {allowed}")
    return key


def signature(key: bytes, webhook_id: str, timestamp_seconds: int, body: bytes) -> str:
    """The signature by one key: `v1,` and the base64 of the HMAC of `id.timestamp.body`."""
    signed = f"{webhook_id}.{timestamp_seconds}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def signed_headers(secrets: Sequence[Secret], webhook_id: str, timestamp_seconds: int, body: bytes) -> dict[str, str]:
    """The three headers; with several secrets as many signatures, of which a receiver needs to find one right."""
    signatures = (signature(secret_key(secret), webhook_id, timestamp_seconds, body) for secret in secrets)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_seconds),
        "webhook-signature": " ".join(signatures),
    }

"""Who may read the HTTP endpoints that say more than health: bearers of a token, where one is set."""

import hmac
from typing import Annotated

from msgspec import Meta

UNAUTHORIZED = "this needs the header `Authorization: Bearer` and the token of CREDITSTREAM_HTTP_TOKEN\n"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="creditstream"'}

HttpToken = Annotated[str, Meta(pattern=r"^([A-Za-z0-9._~+/-]{16,512}=*)?\Z")]
"""At least 16 characters of RFC 6750; empty lets everybody read who reaches the port."""


def permits(token: str, authorization: str | None) -> bool:
    """Whether this `Authorization` header may read everything; takes the same time for every wrong token."""
    if not token:
        return True
    scheme, _, given = (authorization or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())

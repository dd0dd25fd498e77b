"""Ports of the loopback interface."""

import secrets
import socket

from deploy.local.errors import LocalStackError, PortTakenError

LOOPBACK = "127.0.0.1"


# Below the ports that systems give to outgoing connections (Linux from 32768, others from 49152): one of those can
# take the port of a server while it is restarted.
_LOWEST, _HIGHEST = 15_000, 32_000
_TRIES = 200


def free_port() -> int:
    """A port that nobody listens on right now."""
    for _ in range(_TRIES):
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise LocalStackError(f"none of {_TRIES} ports of {LOOPBACK} between {_LOWEST} and {_HIGHEST} is free.")


def require_free(port: int, service: str) -> None:
    """PortTakenError unless the port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTakenError(
                f"{service} cannot listen on {LOOPBACK}:{port}: {error.strerror}. "
                f"End the process that uses the port (lsof -i :{port}), or name another."
            ) from None

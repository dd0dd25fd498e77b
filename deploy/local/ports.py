"""Ports of the loopback interface."""

import socket

from deploy.local.errors import PortTakenError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def require_free(port: int, service: str) -> None:
    """PortTakenError unless the port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTakenError(
                f"{service} cannot listen on {LOOPBACK}:{port}: {error.strerror}. "
                f"End the process that uses the port (lsof -i :{port}) or leave the port out for a free one."
            ) from None

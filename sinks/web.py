"""The HTTP face of sink and notifier: /metrics, /healthz (alive) and /readyz (it can work now)."""

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol, Self

from prometheus_client import CONTENT_TYPE_LATEST

from schemas.http_token import CHALLENGE, UNAUTHORIZED, permits
from schemas.settings import BadSettingError

_REQUEST_SECONDS = 10


class Measured(Protocol):
    """What a process tells of itself; may be asked from any thread."""

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""

    def why_not_alive(self) -> str | None:
        """What is wrong, if only a restart can help."""

    def why_not_ready(self) -> str | None:
        """What keeps it from its work now."""


class MetricsServer:
    """Serves one process's metrics from a thread while open; `port` is the one that was taken.

    With a token, whoever does not bear it is told only whether it is well.
    """

    def __init__(self, metrics: Measured, host: str, port: int, token: str = "") -> None:
        handler = type("Handler", (_Handler,), {"metrics": metrics, "token": token})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise BadSettingError(
                f"CREDITSTREAM_HTTP_HOST {host!r} and CREDITSTREAM_HTTP_PORT {port} cannot be listened on: "
                f"{error.strerror}. Set a free port, or 0 for none."
            ) from None
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    metrics: Measured
    token: str
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics" and not self._permitted:
            self._answer(HTTPStatus.UNAUTHORIZED, UNAUTHORIZED.encode(), "text/plain", **CHALLENGE)
        elif path == "/metrics":
            self._answer(HTTPStatus.OK, self.metrics.exposition(), CONTENT_TYPE_LATEST)
        elif path == "/healthz":
            self._say(self.metrics.why_not_alive())
        elif path == "/readyz":
            self._say(self.metrics.why_not_ready())
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there are /metrics, /healthz and /readyz\n", "text/plain")

    @property
    def _permitted(self) -> bool:
        return permits(self.token, self.headers.get("Authorization"))

    def _say(self, problem: str | None) -> None:
        status = HTTPStatus.OK if problem is None else HTTPStatus.SERVICE_UNAVAILABLE
        told = "ok" if problem is None else problem if self._permitted else "failing"
        self._answer(status, f"{told}\n".encode(), "text/plain; charset=utf-8")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Scrapes are not worth a line each."""

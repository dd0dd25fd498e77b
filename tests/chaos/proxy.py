"""An HTTP proxy on the loopback interface that answers as a bad server or a bad network would, when told to."""

import contextlib
import http.client
import random
import socket
import threading
from collections.abc import Callable
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from deploy.local.ports import LOOPBACK

_UPSTREAM_SECONDS = 60
_LONGEST_HEAD_START_SECONDS = 0.01
_HOP_BY_HOP = frozenset({"transfer-encoding", "connection", "content-length"})


class Mood(Enum):
    """What becomes of a request."""

    HONEST = "passed on and answered"
    REFUSING = "not passed on, answered with 500"
    MUTE = "passed on, and the connection closed without an answer"
    HALF = "passed on, and half of the answer given"
    BROKEN = "half of the request passed on, and the connection closed"
    DEADLY = "an insert is passed on, and the server is killed before it answers; anything else is passed on"


class MoodyProxy:
    """Passes requests on to `port`; `mood` may be changed at any time, and `met` counts requests by mood."""

    def __init__(self, port: int, kill: Callable[[], None] | None = None) -> None:
        self.mood = Mood.HONEST
        self.met = dict.fromkeys(Mood, 0)
        self._upstream_port = port
        self._kill = kill
        self._killing = threading.Lock()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="proxy", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                # The sink may have given up on its answer.
                with contextlib.suppress(OSError):
                    proxy._answer(self)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Say nothing: what matters is counted."""

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        mood = self.mood
        body = _read_body(request)
        if mood is not Mood.DEADLY:
            self.met[mood] += 1
        if mood is Mood.REFUSING:
            request.send_error(500, "Internal Server Error")
            request.close_connection = True
            return
        if mood is Mood.DEADLY and _is_insert(request) and self._killing.acquire(blocking=False):
            self._kill_under_way(request, body)
            return
        if mood is Mood.BROKEN:
            self._pass_half_on(request, body)
            _hang_up(request)
            return
        status, headers, answer = self._pass_on(request, body)
        if mood is Mood.MUTE:
            _hang_up(request)
            return
        request.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        if mood is Mood.HALF:
            request.wfile.write(answer[: len(answer) // 2])
            _hang_up(request)
            return
        request.wfile.write(answer)

    def _pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self._upstream_port, timeout=_UPSTREAM_SECONDS)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
            connection.request(request.command, request.path, body, headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        except OSError:
            return 502, [], b""
        finally:
            connection.close()

    def _kill_under_way(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Once each time that the mood is set."""
        passing = threading.Thread(target=self._pass_on, args=(request, body), daemon=True)
        passing.start()
        passing.join(random.uniform(0.0, _LONGEST_HEAD_START_SECONDS))
        if self._kill is not None and passing.is_alive():
            self._kill()
            self.met[Mood.DEADLY] += 1
            self.mood = Mood.HONEST
        self._killing.release()
        _hang_up(request)

    def _pass_half_on(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        headers = "".join(
            f"{name}: {value}\r\n" for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP
        )
        head = f"{request.command} {request.path} HTTP/1.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((LOOPBACK, self._upstream_port), _UPSTREAM_SECONDS) as upstream:
            upstream.sendall(head.encode("latin-1") + body[: len(body) // 2])


def _is_insert(request: BaseHTTPRequestHandler) -> bool:
    return request.headers.get("Content-Type") == "application/octet-stream"


def _read_body(request: BaseHTTPRequestHandler) -> bytes:
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        chunks = []
        while size := int(request.rfile.readline().split(b";")[0], 16):
            chunks.append(request.rfile.read(size))
            request.rfile.readline()
        request.rfile.readline()
        return b"".join(chunks)
    return request.rfile.read(int(request.headers.get("Content-Length") or 0))


def _hang_up(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True
    request.wfile.flush()
    request.connection.shutdown(socket.SHUT_RDWR)

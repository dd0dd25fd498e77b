"""A receiver of webhooks on a real port, which answers as it is told and checks every signature."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECOND_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
_LONGEST_AGE_SECONDS = 300


class Reply(NamedTuple):
    """How a request is answered: after `hangs_seconds`, or not at all when it is `cut`."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b"ok"
    hangs_seconds: float = 0.0
    cut: bool = False


class Request(NamedTuple):
    """What came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """`script` has the replies to come for an id or, under "", for any; without one the reply is 200."""

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None, secret: str = SECRET) -> None:
        self.script: dict[str, deque[Reply]] = {}
        self.always: dict[str, Reply] = {}
        """Replies by id that never run out."""
        self.requests: list[Request] = []
        self.forged: list[Request] = []
        self.taken: Counter[str] = Counter()
        """How often each id was answered with 2xx."""
        self._secret = secret
        self._ending = threading.Event()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if context is None else "https"
        self.port = int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        """Of everything that came, in order."""
        return [request.id for request in self.requests]

    def will_reply(self, identity: str, *replies: Reply) -> None:
        """The next replies to this id, one for each request."""
        self.script.setdefault(identity, deque()).extend(replies)

    def reply_to(self, request: Request) -> Reply:
        """Notes the request; from any thread."""
        with self._lock:
            self.requests.append(request)
            if not self._is_ours(request):
                self.forged.append(request)
                return Reply(401)
            for identity in (request.id, ""):
                if self.script.get(identity):
                    return self.script[identity].popleft()
            return self.always.get(request.id, Reply())

    def wait(self, seconds: float) -> None:
        """Hangs, unless this ends."""
        self._ending.wait(seconds)

    def answered(self, request: Request, reply: Reply) -> None:
        """A whole answer was written."""
        if 200 <= reply.status < 300:
            with self._lock:
                self.taken[request.id] += 1

    def _is_ours(self, request: Request) -> bool:
        timestamp = request.headers["webhook-timestamp"]
        signed = f"{request.id}.{timestamp}.".encode() + request.body
        digest = hmac.digest(base64.b64decode(self._secret.removeprefix("whsec_")), signed, hashlib.sha256)
        ours = f"v1,{base64.b64encode(digest).decode()}"
        fresh = abs(time.time() - int(timestamp)) < _LONGEST_AGE_SECONDS
        return fresh and ours in request.headers["webhook-signature"].split(" ")

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        reply = self.receiver.reply_to(request)
        if reply.hangs_seconds:
            self.receiver.wait(reply.hangs_seconds)
        if reply.cut:
            self.close_connection = True
            return
        try:
            self._answer(reply)
        except OSError:
            # Whoever asked waits no longer.
            self.close_connection = True
        else:
            self.receiver.answered(request, reply)

    def _answer(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Tests ask for what came instead."""

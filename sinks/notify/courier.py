"""Posts notices over HTTP, many at a time, in a thread of its own; what was answered is collected by whoever sends."""

import asyncio
import contextlib
import os
import queue
import ssl
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple, Protocol, Self

import aiohttp

from sinks.notify.answers import Answer
from sinks.notify.notices import Held
from sinks.notify.settings import Endpoint

_READ_BYTES = 64 << 10
"""How much of an answer is read, so that its connection can be used again."""
_CLOSE_SECONDS = 5.0
_HEADERS = {"Content-Type": "application/cloudevents+json; charset=UTF-8", "User-Agent": "creditstream-notify"}


class Answered(NamedTuple):
    """A notice that was sent, and what came back."""

    held: Held
    answer: Answer


class Courier(Protocol):
    """Sends notices, as the notifier uses it."""

    def send(self, held: Held, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        """Begins, and never waits; `answers` tells of every notice that was sent, once."""

    def answers(self, seconds: float) -> list[Answered]:
        """What was answered since the last call, waiting for at most that long for the first."""


class HttpCourier:
    """Redirects are not followed, proxies of the environment not used, cookies not kept."""

    def __init__(self, context: ssl.SSLContext, timeout_seconds: float, connections: int) -> None:
        self._context = context
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._connections = connections
        self._answered: queue.SimpleQueue[Answered] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="courier", daemon=True)
        self._session: aiohttp.ClientSession
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._session = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS)

    def send(self, held: Held, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        self._loop.call_soon_threadsafe(self._begin, held, endpoint.url, {**_HEADERS, **headers})

    def answers(self, seconds: float) -> list[Answered]:
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self._answered.get(timeout=seconds) if seconds > 0 else self._answered.get_nowait())
            while True:
                found.append(self._answered.get_nowait())
        return found

    def _begin(self, held: Held, url: str, headers: dict[str, str]) -> None:
        task = self._loop.create_task(self._post(held, url, headers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _post(self, held: Held, url: str, headers: dict[str, str]) -> None:
        started = time.monotonic()
        status, retry_after, problem = None, None, ""
        try:
            async with self._session.post(url, data=held.body, headers=headers, allow_redirects=False) as response:
                status, retry_after = response.status, response.headers.get("Retry-After")
                await response.content.read(_READ_BYTES)
        except Exception as error:
            problem = _told(error)
        # Whatever comes after the status, the endpoint has said what it makes of the notice.
        self._answered.put(Answered(held, Answer(status, problem, retry_after, time.monotonic() - started)))

    async def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._context, limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
        )

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()


def _told(error: Exception) -> str:
    """What went wrong, without the URL, which aiohttp's own words may hold."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno or 0
        # asyncio's own words name the address; a name that cannot be looked up has a negative number.
        told = os.strerror(number) if number > 0 else error.os_error.strerror
        return f"no connection: {told or type(error.os_error).__name__}"
    return f"no answer: {type(error).__name__}"

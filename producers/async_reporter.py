"""The asyncio face of the reporter: `report` returns when the event is queued, and never blocks the loop."""

import asyncio
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Self, Unpack

from producers.failures import DeliveryError, OnError, QueueFullError
from producers.reporter import UsageReporter
from producers.reporter_options import ReporterOptions, WhenFull
from schemas.identifiers import EventId

_SHORTEST_WAIT_SECONDS = 0.001
_LONGEST_WAIT_SECONDS = 0.1


class AsyncUsageReporter:
    """A UsageReporter for one event loop; its arguments are the same.

    With `when_full="block"` a report waits for room while the loop goes on. `on_error` is called on the loop.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        source: str,
        on_error: OnError | None = None,
        when_full: WhenFull = "block",
        block_timeout_seconds: float = 60.0,
        **options: Unpack[ReporterOptions],
    ) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wait_seconds = block_timeout_seconds if when_full == "block" else 0.0
        self._tell = on_error
        self._reporter = UsageReporter(
            bootstrap_servers=bootstrap_servers,
            source=source,
            on_error=None if on_error is None else self._tell_on_loop,
            when_full="raise" if when_full == "block" else when_full,
            **options,
        )

    async def report(
        self,
        *,
        account: str,
        agent: str,
        conversation: str,
        channel: str,
        node: str,
        quantity: int | Decimal = 1,
        occurred_at: datetime | None = None,
        id: str | None = None,  # noqa: A002  # CloudEvents' word
        run: str | None = None,
        span: str | None = None,
    ) -> EventId:
        """Queues one usage event and returns its id, as UsageReporter.report does."""
        if self._loop is None:
            await self._start()
        # Made once: every attempt below is the same event.
        occurred_at = datetime.now(UTC) if occurred_at is None else occurred_at
        event_id = self._reporter.event_id(run=run, span=span, node=node) if id is None else id
        until = time.monotonic() + self._wait_seconds
        wait_seconds = _SHORTEST_WAIT_SECONDS
        while True:
            try:
                return self._reporter.report(
                    account=account,
                    agent=agent,
                    conversation=conversation,
                    channel=channel,
                    node=node,
                    quantity=quantity,
                    occurred_at=occurred_at,
                    id=event_id,
                )
            except QueueFullError:
                if time.monotonic() >= until:
                    raise
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(2 * wait_seconds, _LONGEST_WAIT_SECONDS)

    @property
    def queued(self) -> int:
        """How many events are queued or on their way."""
        return self._reporter.queued

    async def flush(self, timeout_seconds: float | None = None) -> int:
        """Waits until what is queued is delivered or given up; returns how many events still are queued."""
        return await asyncio.to_thread(self._reporter.flush, timeout_seconds)

    async def close(self, timeout_seconds: float | None = None) -> int:
        """Flushes and ends; what is not delivered in time is given to `on_error`, and counted."""
        left = await asyncio.to_thread(self._reporter.close, timeout_seconds)
        # What on_error was called for while closing is told before this returns.
        await asyncio.sleep(0)
        return left

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._reporter.start)

    def _tell_on_loop(self, failure: DeliveryError) -> None:
        tell = self._tell
        if tell is None:
            return
        if self._loop is None or self._loop.is_closed():
            tell(failure)
        else:
            self._loop.call_soon_threadsafe(tell, failure)

"""The worker's HTTP endpoints: /metrics, /healthz (alive) and /readyz (restored and assigned)."""

import time
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from stream.engine.holding import Phase

if TYPE_CHECKING:
    from stream.app import Worker

STALLED_SECONDS = 30.0


class Web:
    """Serves on the worker's event loop: a loop that stands still answers nothing, and so fails the probe."""

    def __init__(self, worker: "Worker", host: str, port: int) -> None:
        self._worker = worker
        self._host = host
        self._port = port
        self._registry = CollectorRegistry()
        self._registry.register(worker.metrics)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; port 0 serves nothing."""
        if not self._port:
            return
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(health_problems(self._worker))

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(readiness_problems(self._worker))


def health_problems(worker: "Worker") -> list[str]:
    """Why the worker should be restarted: a partition that failed, or input waiting without progress for 30 s."""
    now = time.monotonic()
    problems = []
    for number, holding in worker.owner.holdings.items():
        if holding.phase is Phase.FAILED:
            problems.append(f"partition {number} failed: {holding.failure}")
        elif holding.phase is Phase.RUNNING and holding.partition is not None:
            if holding.waiting_since is None:
                continue
            quiet = now - max(holding.partition.last_checkpoint_at, holding.waiting_since)
            if quiet > STALLED_SECONDS:
                problems.append(f"partition {number} has input waiting and no progress for {quiet:.0f} s")
    return problems


def readiness_problems(worker: "Worker") -> list[str]:
    """Why the worker does not yet serve: not in the group, or partitions not restored."""
    if not worker.owner.assigned:
        return ["the group has not assigned partitions yet"]
    return [
        f"partition {number} is {holding.phase.value}, {holding.restored_records} records restored"
        for number, holding in worker.owner.holdings.items()
        if holding.phase is not Phase.RUNNING
    ]


def _answer(problems: list[str]) -> web.Response:
    if problems:
        return web.Response(status=503, text="\n".join(problems) + "\n")
    return web.Response(text="ok\n")

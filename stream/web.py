"""The worker's HTTP endpoints: /metrics, /healthz (alive) and /readyz (restored and assigned)."""

import time
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from schemas.http_token import CHALLENGE, UNAUTHORIZED, permits
from stream.engine.holding import Phase

if TYPE_CHECKING:
    from stream.app import Worker

STALLED_SECONDS = 30.0
STUCK_SECONDS = 600.0


class Web:
    """Serves on the worker's event loop: a loop that stands still answers nothing, and so fails the probe.

    With a token, whoever does not bear it is told only whether the worker is well.
    """

    def __init__(self, worker: "Worker", host: str, port: int, token: str = "") -> None:
        self._worker = worker
        self._host = host
        self._port = port
        self._token = token
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

    def _permits(self, request: web.Request) -> bool:
        return permits(self._token, request.headers.get("Authorization"))

    async def _metrics(self, request: web.Request) -> web.Response:
        if not self._permits(request):
            return web.Response(status=401, text=UNAUTHORIZED, headers=CHALLENGE)
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _healthz(self, request: web.Request) -> web.Response:
        return self._answer(request, health_problems(self._worker))

    async def _readyz(self, request: web.Request) -> web.Response:
        return self._answer(request, readiness_problems(self._worker))

    def _answer(self, request: web.Request, problems: list[str]) -> web.Response:
        if not problems:
            return web.Response(text="ok\n")
        told = "\n".join(problems) if self._permits(request) else "failing"
        return web.Response(status=503, text=f"{told}\n")


def health_problems(worker: "Worker") -> list[str]:
    """Why the worker should be restarted: a partition that failed, or input waiting without progress for 30 s."""
    now = time.monotonic()
    problems = []
    unpolled = now - worker.owner.reader.polled_at
    if unpolled > STALLED_SECONDS and any(each.phase is Phase.RUNNING for each in worker.owner.holdings.values()):
        problems.append(f"nothing was read for {unpolled:.0f} s")
    for number, holding in worker.owner.holdings.items():
        if holding.phase is Phase.FAILED:
            problems.append(f"partition {number} failed: {holding.failure}")
        elif holding.phase is not Phase.RUNNING:
            if worker.has_rate_cards and holding.owned and now - holding.since > STUCK_SECONDS:
                problems.append(
                    f"partition {number} is {holding.phase.value} and did not move for {STUCK_SECONDS:.0f} s"
                )
        elif holding.partition is not None:
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

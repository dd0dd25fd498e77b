"""/healthz fails when the worker should be restarted, /readyz while it does not serve yet, and not otherwise."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from stream import web
from stream.engine.holding import Phase
from stream.engine.lag import note_waiting
from stream.web import STALLED_SECONDS, Web, health_problems, readiness_problems
from tests.unit.worker_scene import WorkerScene, charged_scene


def running(*, waiting: bool) -> WorkerScene:
    """Partition 3 runs; it has booked one record of one or two."""
    scene = WorkerScene()
    holding = scene.hold(3, scene=charged_scene({"acme": 1}))
    scene.input_ends(3, 2 if waiting else 1, 2 if waiting else 1)
    note_waiting(holding, scene.owner.reader, time.monotonic())
    return scene


def let_pass(monkeypatch: pytest.MonkeyPatch, scene: WorkerScene, seconds: float) -> None:
    """So long after the last checkpoint of partition 3, and after input began to wait."""
    partition = scene.holdings[3].partition
    assert partition is not None
    since = max(partition.last_checkpoint_at, scene.holdings[3].waiting_since or 0.0)
    monkeypatch.setattr(web, "time", SimpleNamespace(monotonic=lambda: since + seconds))


@pytest.mark.parametrize(
    ("waiting", "quiet_seconds", "is_well"),
    [(True, STALLED_SECONDS, True), (True, STALLED_SECONDS + 1, False), (False, 100_000.0, True)],
)
def test_input_that_waits_without_progress_for_30_s_fails_health(
    monkeypatch: pytest.MonkeyPatch, waiting: bool, quiet_seconds: float, is_well: bool
) -> None:
    """Engine rule 1: each row is whether input waits, since when no checkpoint was committed, and the health."""
    scene = running(waiting=waiting)
    let_pass(monkeypatch, scene, quiet_seconds)
    problems = health_problems(scene.worker)
    assert problems == ([] if is_well else ["partition 3 has input waiting and no progress for 31 s"])


def test_input_that_has_just_begun_to_wait_gets_its_30_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """No checkpoint may have been due for hours."""
    scene = running(waiting=True)
    partition = scene.holdings[3].partition
    assert partition is not None
    partition.last_checkpoint_at -= 1_000
    let_pass(monkeypatch, scene, 1)
    assert health_problems(scene.worker) == []


def test_a_partition_that_failed_fails_health_and_says_why() -> None:
    """The others go on."""
    scene = running(waiting=False)
    scene.hold(5, Phase.FAILED).failure = "usage.events was deleted and made again"
    assert health_problems(scene.worker) == ["partition 5 failed: usage.events was deleted and made again"]


@pytest.mark.parametrize("phase", [Phase.TAKING_OVER, Phase.SUSPENDED])
def test_a_partition_that_is_on_its_way_is_healthy_but_not_ready(phase: Phase) -> None:
    """Restarting the worker would only begin the restore again."""
    scene = running(waiting=False)
    scene.hold(5, phase).restored_records = 12
    assert health_problems(scene.worker) == []
    assert readiness_problems(scene.worker) == [f"partition 5 is {phase.value}, 12 records restored"]


def test_a_worker_is_ready_once_the_group_assigned_and_all_is_restored() -> None:
    """With no partitions too: there may be more workers than partitions."""
    scene = WorkerScene()
    assert readiness_problems(scene.worker) == []
    scene.owner.assigned = False
    assert readiness_problems(scene.worker) == ["the group has not assigned partitions yet"]
    assert readiness_problems(running(waiting=False).worker) == []


def test_a_failed_partition_is_not_ready() -> None:
    """Its balances are not served."""
    scene = WorkerScene()
    scene.hold(5, Phase.FAILED)
    assert readiness_problems(scene.worker) == ["partition 5 is failed, 0 records restored"]


def answers(scene: WorkerScene, *paths: str) -> list[tuple[int, str]]:
    """Status and text of each path, over HTTP."""

    async def ask() -> list[tuple[int, str]]:
        port = unused_port()
        server = Web(scene.worker, "127.0.0.1", port)
        await server.start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                found = []
                for path in paths:
                    async with session.get(path) as response:
                        found.append((response.status, await response.text()))
                return found
        finally:
            await server.stop()

    return asyncio.run(ask())


def well() -> WorkerScene:
    """Nothing wrong."""
    return running(waiting=False)


def failed() -> WorkerScene:
    """One partition failed."""
    scene = running(waiting=False)
    scene.hold(5, Phase.FAILED).failure = "broken"
    return scene


@pytest.mark.parametrize(
    ("made", "status", "health", "readiness"),
    [
        (well, 200, "ok\n", "ok\n"),
        (failed, 503, "partition 5 failed: broken\n", "partition 5 is failed, 0 records restored\n"),
    ],
)
def test_probes_answer_503_with_every_problem_on_a_line(
    made: Callable[[], WorkerScene], status: int, health: str, readiness: str
) -> None:
    """Each row is a worker and its answers over HTTP; the metrics page is served whatever its health."""
    healthz, readyz, metrics = answers(made(), "/healthz", "/readyz", "/metrics")
    assert healthz == (status, health)
    assert readyz == (status, readiness)
    assert metrics[0] == 200
    assert "creditstream_accounts 1.0" in metrics[1]


def test_port_0_serves_nothing() -> None:
    """And stopping what never started is no error."""

    async def start_and_stop() -> None:
        server = Web(WorkerScene().worker, "127.0.0.1", 0)
        await server.start()
        await server.stop()

    asyncio.run(start_and_stop())

"""With a token, /metrics is for its bearer, and others learn from the probes only whether all is well."""

import asyncio
import http.client
from contextlib import closing

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from schemas.http_token import permits
from schemas.settings import BadSettingError, load_settings
from sinks.metrics import SinkMetrics
from sinks.settings import SinkSettings
from sinks.web import MetricsServer
from stream.engine.holding import Phase
from stream.settings import WorkerSettings
from stream.web import Web
from tests.unit.worker_scene import WorkerScene, charged_scene

TOKEN = "s0me-long-random-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
WRONG = {"Authorization": "Bearer another-long-random-token"}
PATHS = ("/metrics", "/healthz", "/readyz")

Answers = dict[str, tuple[int, str, str]]


def worker_answers(headers: dict[str, str]) -> Answers:
    """Status, text and challenge of each path of a worker, one of whose partitions failed."""
    scene = WorkerScene()
    scene.hold(3, scene=charged_scene({"acme-the-account": 1}))
    scene.watched_accounts = ["acme-the-account"]
    scene.hold(5, Phase.FAILED).failure = "what went wrong"

    async def ask() -> Answers:
        port = unused_port()
        server = Web(scene.worker, "127.0.0.1", port, TOKEN)
        await server.start()
        try:
            found = {}
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
                for path in PATHS:
                    async with session.get(path) as response:
                        challenge = response.headers.get("WWW-Authenticate", "")
                        found[path] = (response.status, await response.text(), challenge)
            return found
        finally:
            await server.stop()

    return asyncio.run(ask())


def sink_answers(headers: dict[str, str]) -> Answers:
    """Those of a sink that is not in its group."""
    found = {}
    with MetricsServer(SinkMetrics(), "127.0.0.1", 0, TOKEN) as server:
        for path in PATHS:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            with closing(connection):
                connection.request("GET", path, headers=headers)
                response = connection.getresponse()
                challenge = response.headers.get("WWW-Authenticate", "")
                found[path] = (response.status, response.read().decode(), challenge)
    return found


@pytest.mark.parametrize("headers", [{}, WRONG], ids=["none", "wrong"])
def test_a_worker_tells_strangers_only_that_it_is_not_well(headers: dict[str, str]) -> None:
    """No account, no reason: 401 for the metrics, and a word for the probes."""
    answers = worker_answers(headers)
    assert answers["/metrics"][0] == 401
    assert answers["/metrics"][2].startswith("Bearer")
    assert answers["/healthz"] == answers["/readyz"] == (503, "failing\n", "")
    assert "acme-the-account" not in str(answers)
    assert TOKEN not in str(answers)


def test_a_worker_tells_the_bearer_everything() -> None:
    """As it tells everybody without a token."""
    answers = worker_answers(BEARER)
    assert answers["/metrics"][0] == 200
    assert "acme-the-account" in answers["/metrics"][1]
    assert answers["/healthz"][:2] == (503, "partition 5 failed: what went wrong\n")
    assert TOKEN not in str(answers)


@pytest.mark.parametrize("headers", [{}, WRONG], ids=["none", "wrong"])
def test_a_sink_tells_strangers_only_how_it_is(headers: dict[str, str]) -> None:
    """It is alive, and not ready."""
    answers = sink_answers(headers)
    assert answers["/metrics"][0] == 401
    assert answers["/metrics"][2].startswith("Bearer")
    assert answers["/healthz"] == (200, "ok\n", "")
    assert answers["/readyz"] == (503, "failing\n", "")


def test_a_sink_tells_the_bearer_everything() -> None:
    """As it tells everybody without a token."""
    answers = sink_answers(BEARER)
    assert answers["/metrics"][0] == 200
    assert "creditstream_sink_" in answers["/metrics"][1]
    assert answers["/readyz"] == (503, "not yet in the consumer group\n", "")
    assert TOKEN not in str(answers)


@pytest.mark.parametrize(
    ("authorization", "permitted"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer {TOKEN}", True),
        (f"Bearer  {TOKEN} ", True),
        (None, False),
        ("", False),
        ("Bearer", False),
        ("Bearer ", False),
        (TOKEN, False),
        (f"Basic {TOKEN}", False),
        (f"Bearer {TOKEN[:-1]}", False),
        (f"Bearer {TOKEN}x", False),
        ("Bearer \udcff\u2603", False),
    ],
)
def test_only_the_whole_token_permits(authorization: str | None, permitted: bool) -> None:
    """Each row is a header and whether it lets its sender read."""
    assert permits(TOKEN, authorization) is permitted
    assert permits("", authorization)


@pytest.mark.parametrize("kind", [WorkerSettings, SinkSettings])
@pytest.mark.parametrize(
    "token", ["short", "sixteen letters and blanks", "token\nwith-a-second-line", "a-token-with-newline\n", "é" * 20]
)
def test_a_token_that_is_short_or_no_header_could_carry_is_refused_unseen(
    kind: type[WorkerSettings | SinkSettings], token: str
) -> None:
    """Each row is a process and a token; the message names the setting."""
    with pytest.raises(BadSettingError, match="CREDITSTREAM_HTTP_TOKEN is \\(hidden\\)") as refused:
        load_settings(kind, {"CREDITSTREAM_HTTP_TOKEN": token})
    assert token not in str(refused.value)

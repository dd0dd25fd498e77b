"""The asyncio face queues without blocking the loop."""

import asyncio

import pytest

from producers import AsyncUsageReporter, DeliveryError, QueueFullError
from tests.unit.reporter_scene import USAGE, Scene, ScriptedProducer


def _reporter(scene: Scene, **options: object) -> AsyncUsageReporter:
    return AsyncUsageReporter(
        bootstrap_servers="nowhere:1",
        source="runtime/1",
        make_producer=scene.make_producer,
        **options,  # type: ignore[arg-type]
    )


async def _report(reporter: AsyncUsageReporter, event_id: str | None = None) -> str:
    return await reporter.report(id=event_id, **USAGE)  # type: ignore[arg-type]


def _make_room(scene: Scene) -> ScriptedProducer:
    scene.producer.room += 1
    return scene.producer


def test_a_report_resolves_when_it_is_queued() -> None:
    """The event is at the producer, with the id that was returned."""
    scene = Scene()

    async def main() -> str:
        async with _reporter(scene) as reporter:
            event_id = await _report(reporter)
            scene.producer.waiting.clear()
            assert await reporter.flush() == 0
            return event_id

    assert asyncio.run(main()) == scene.events()[0].id


def test_the_loop_goes_on_while_a_report_waits_for_room() -> None:
    """What makes room runs on the loop that the report is waiting on."""
    scene = Scene(room=1)

    async def main() -> None:
        reporter = _reporter(scene)
        await _report(reporter, "first")
        waiting = asyncio.create_task(_report(reporter, "second"))
        await asyncio.sleep(0)
        assert not waiting.done()
        producer = _make_room(scene)
        assert await waiting == "second"
        producer.waiting.clear()
        await reporter.close()

    asyncio.run(main())
    assert [event.id for event in scene.events()] == ["first", "second"]


def test_a_report_gives_up_after_its_time_out() -> None:
    """Room never comes: the error names the event."""
    scene = Scene(room=0)

    async def main() -> None:
        async with _reporter(scene, block_timeout_seconds=0.01) as reporter:
            await _report(reporter, "late")

    with pytest.raises(QueueFullError, match="usage event late of account acme"):
        asyncio.run(main())


def test_on_error_is_called_on_the_loop() -> None:
    """A callback may touch what belongs to the loop; all of it is told before close returns."""
    scene = Scene()
    told: list[tuple[str, asyncio.AbstractEventLoop]] = []

    def note(failure: DeliveryError) -> None:
        told.append((failure.event.id, asyncio.get_running_loop()))

    async def main() -> asyncio.AbstractEventLoop:
        reporter = _reporter(scene, on_error=note, close_timeout_seconds=0.0)
        await _report(reporter, "lost")
        assert await reporter.close() == 1
        return asyncio.get_running_loop()

    loop = asyncio.run(main())
    assert told == [("lost", loop)]

"""A worker of the tests' small pipeline in a process of its own: after its first record a timer is due, and it ends."""

import sys
from pathlib import Path

from tests.integration.engine_life import live
from tests.integration.engine_scene import EngineScene
from tests.servers import KafkaServer

DUE_AFTER_MS = 5_000


async def wait_for_timer(engine: EngineScene) -> None:
    """Say when the timer is due, once that is booked which it counts from; return once it is booked itself."""
    async with engine.life() as life:
        await life.until(lambda: engine.counted == 1)
        processor = engine.processors[0]
        due_ms = processor.due_ms = life.partition().clock_ms + DUE_AFTER_MS
        print(f"due {due_ms}", flush=True)
        await life.until(lambda: processor.due_ms != due_ms)


if __name__ == "__main__":
    servers, prefix, folder = sys.argv[1:]
    live(wait_for_timer(EngineScene(KafkaServer(servers), prefix, Path(folder))))

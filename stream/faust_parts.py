"""Parts of Faust without the seconds that they wait for what there is none of here."""

from faust import Worker
from faust.tables import TableManager


class NoTables(TableManager):
    """Faust's own waits a second for its tables to be declared, before the worker may join its group."""

    async def on_start(self) -> None:
        """Tables are the engine's: go on at once."""
        await self._update_channels()
        await self.recovery.start()


class PromptWorker(Worker):
    """Faust's own sleeps a second after everything has stopped, while its partitions wait for the next start."""

    async def _sentinel_task(self) -> None:
        """Let what was cancelled end, without a second's pause."""

"""A worker without Kafka: partitions in whatever phase, and where their inputs end."""

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from stream.engine.holding import Holding, Phase
from stream.engine.reader import InputEnds
from stream.metrics import Metrics
from stream.pipeline import Pipeline
from tests.unit.booking_scene import INPUTS, Scene, usage, usage_record

if TYPE_CHECKING:
    from stream.app import Worker


class WorkerScene:
    """What metrics and probes read of a worker; `worker` stands for it."""

    def __init__(self) -> None:
        self.holdings: dict[int, Holding] = {}
        self.ends: dict[tuple[str, int], InputEnds] = {}
        self.owner = SimpleNamespace(
            holdings=self.holdings,
            assigned=True,
            reader=SimpleNamespace(ends=self.ends, lane=lambda _: None, polled_at=float("inf")),
        )
        self.outcomes: Counter[str] = Counter()
        self.watched_accounts: list[str] = []
        self.has_rate_cards = True
        self.metrics = Metrics(self.worker)

    @property
    def worker(self) -> "Worker":
        """As the type that is asked for."""
        return cast("Worker", self)

    def pipelines(self) -> list[Pipeline]:
        """Those of the partitions that are held."""
        held = [holding.partition for holding in self.holdings.values() if holding.partition is not None]
        return [each.processor for each in held if isinstance(each.processor, Pipeline)]

    def hold(self, number: int, phase: Phase = Phase.RUNNING, scene: Scene | None = None) -> Holding:
        """A partition in that phase, with a pipeline if it is running."""
        holding = self.holdings[number] = Holding(number)
        holding.enter(phase)
        if phase is Phase.RUNNING:
            holding.partition = (scene or Scene()).partition
        return holding

    def input_ends(self, number: int, stable: int, high: int) -> None:
        """The usage of a partition ends there."""
        self.ends[INPUTS[0], number] = InputEnds(stable, high)


def charged_scene(quantities: dict[str, int]) -> Scene:
    """A partition in which each account used so many answers, of 2 credits each, of its free 500."""
    scene = Scene()
    for offset, (account, quantity) in enumerate(quantities.items()):
        body = usage(e_subject=account, e_id=f"{account}-{offset}", quantity=quantity)
        scene.book(usage_record(body, offset=offset, key=account.encode()))
    scene.checkpoint()
    return scene

"""Faults, drawn by seed: every schedule has a few kinds of its own, so that rare pairs meet."""

from dataclasses import dataclass, field
from random import Random

from tests.simulation.sim_worker import Habits

COMMIT_FAULTS = (
    "commit slow",
    "commit timed out before",
    "commit timed out after",
    "commit abortable",
    "commit failed before",
    "commit failed after",
    "commit arrives late",
)
EVENT_FAULTS = (
    "worker crashed",
    "worker stopped in order",
    "worker paused shortly",
    "zombie",
    "rebalance",
    "rebalances in a row",
    "cluster away shortly",
    "cluster away long",
    "everybody paused",
    "clock jumped",
    "compaction",
    "retention",
    "rate card published",
    "upstream transaction aborted",
    "upstream transaction committed",
    "leader moved",
    "dedup window passed",
    "topic made again",
    "partitions raised",
    "charges of a partition too large",
)
DELIVERY_FAULTS = ("batch vanished", "batch late", "batch doubled", "queue cleared by a rebalance")
CONSEQUENCES = (
    "crashed at a named point",
    "zombie at a named point",
    "transaction timed out",
    "open transaction aborted by the next owner",
    "fenced",
    "producer's queue full",
    "partition stopped alone",
    "ids deleted",
    "changed topics refused",
    "worker ended itself",
)
EVERY_KIND = (*EVENT_FAULTS, *COMMIT_FAULTS, *DELIVERY_FAULTS, *CONSEQUENCES)

_RARE = {
    "cluster away long": 0.12,
    "everybody paused": 0.3,
    "worker stopped in order": 0.4,
    "dedup window passed": 0.2,
    "topic made again": 0.15,
    "partitions raised": 0.15,
    "charges of a partition too large": 0.15,
}
_SOME = 0.55


@dataclass(frozen=True)
class Faults:
    """What may happen in one schedule."""

    events: list[str]
    commits: list[str]
    commit_chance: float
    crash_point_chance: float
    pause_point_chance: float
    habits: Habits
    transaction_timeout_ms: int
    planned: list[tuple[float, str]] = field(default_factory=list)
    """When which of the events happens."""


def draw(random: Random, seconds: float) -> Faults:
    """The faults of a schedule of so many seconds."""
    events = [name for name in EVENT_FAULTS if random.random() < _RARE.get(name, _SOME)]
    commits = [name for name in COMMIT_FAULTS if random.random() < _SOME]

    def chance(most: float) -> float:
        return random.random() * most if random.random() < _SOME else 0.0

    return Faults(
        events,
        commits,
        chance(0.3) if commits else 0.0,
        chance(0.03),
        chance(0.05),
        Habits(vanish=chance(0.3), double=chance(0.3), late=chance(0.2), slow=chance(0.5), clear=random.random()),
        random.choice((120_000, 120_000, 15_000, 4_000)),
        sorted((random.random() * seconds, random.choice(events)) for _ in range(random.randint(2, 9)) if events),
    )

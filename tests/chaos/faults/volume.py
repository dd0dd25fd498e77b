"""Millions of events, while whatever there is dies at random moments."""

import random

from tests.chaos.fault import Fault
from tests.chaos.faults.loads import require_bounded_memory
from tests.chaos.load import FLAT_OUT
from tests.chaos.stage import Stage

_SEED = 4
_MOST_BEHIND = 400_000
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 3.0, 9.0
_ZOMBIE_SECONDS = 9.0
_DOWN_SECONDS = 1.5
_LEAST_STRIKES = 6
_RECOVERY_SECONDS = 1_800.0
_QUICK_RATE = 1_500


class _Fate:
    """What happens next, drawn from a seed; each strike proves itself."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._random = random.Random(_SEED)
        self._strikes = {
            self._kill_worker: 6,
            self._restart_worker: 3,
            self._freeze_worker: 3,
            self._kill_sink: 2,
            self._kill_clickhouse: 1,
            self._kill_broker: 1,
        }

    def pause_seconds(self) -> float:
        return self._random.uniform(_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)

    def strike(self) -> None:
        """One blow."""
        (blow,) = self._random.choices(list(self._strikes), list(self._strikes.values()))
        blow()

    def _kill_worker(self) -> None:
        self._stage.kill(self._random.choice(self._stage.workers))

    def _restart_worker(self) -> None:
        worker = self._random.choice(self._stage.workers)
        self._stage.stop(worker)
        self._stage.begin(worker)

    def _freeze_worker(self) -> None:
        worker = self._random.choice(self._stage.workers)
        claims = self._stage.watch.claims()
        self._stage.freeze(worker)
        self._stage.sleep(_ZOMBIE_SECONDS)
        taken = self._stage.watch.claims() - claims
        self._stage.thaw(worker)
        self._stage.prove(f"{worker.title} stood still for {_ZOMBIE_SECONDS:.0f} s, {taken} take-overs meanwhile")

    def _kill_sink(self) -> None:
        self._stage.kill(self._random.choice(self._stage.sinks))

    def _kill_clickhouse(self) -> None:
        clickhouse = self._stage.local_clickhouse()
        clickhouse.kill()
        self._stage.prove("ClickHouse killed -9", holds=not clickhouse.answers())
        self._stage.sleep(_DOWN_SECONDS)
        clickhouse.start()

    def _kill_broker(self) -> None:
        self._stage.kafka.kill()
        self._stage.prove("the broker killed -9", holds=not self._stage.kafka.answers())
        self._stage.sleep(_DOWN_SECONDS)
        self._stage.kafka.start()


def _volume(stage: Stage) -> None:
    """Something dies every few seconds, until all events are sent; the load waits for those that are far behind."""
    fate, strikes = _Fate(stage), 0
    if not stage.long:
        stage.load.pace(_QUICK_RATE)
    wanted = stage.events
    while stage.load.sent < wanted or strikes < _LEAST_STRIKES:
        _wait(stage, fate.pause_seconds())
        fate.strike()
        strikes += 1
        stage.say(f"{stage.load.sent} of {wanted} events sent")
    # Beside a load that never ends the sink might never catch up.
    stage.load.hold()
    stage.over()
    stage.await_recovery(_RECOVERY_SECONDS)
    require_bounded_memory(stage)


def _wait(stage: Stage, seconds: float) -> None:
    """Let it run, and the load with it as long as the workers keep up."""
    for _ in range(max(1, round(seconds))):
        stage.sleep(1)
        if stage.watch.lag() > _MOST_BEHIND:
            stage.load.hold()
        else:
            stage.load.go_on()


VOLUME = Fault(
    name="volume",
    about="workers, sink, ClickHouse and broker killed, stopped and restarted at random while millions of events flow",
    breaks=_volume,
    workers=3,
    sink=True,
    load={"accounts": 20_000, "agents": 1, "round_events": 200_000},
    rate=FLAT_OUT,
    events=3_500_000,
)
FAULTS = [VOLUME]

"""The broker dies, is away, or hangs."""

from tests.chaos.fault import Fault
from tests.chaos.stage import Stage

_DOWN_SECONDS = 2.0
_AWAY_SECONDS, _LONG_AWAY_SECONDS = 60.0, 300.0
_FROZEN_SECONDS = 20.0


def _killed(stage: Stage) -> None:
    for _ in range(2):
        stage.sleep(4)
        stage.kafka.kill()
        stage.sleep(_DOWN_SECONDS)
        stage.kafka.start()
    stage.over()


def _away(stage: Stage) -> None:
    stage.sleep(3)
    stage.kafka.stop()
    stage.sleep(_LONG_AWAY_SECONDS if stage.long else _AWAY_SECONDS)
    stage.kafka.start()
    stage.over()


def _frozen(stage: Stage) -> None:
    stage.sleep(3)
    stage.kafka.freeze()
    stage.sleep(_FROZEN_SECONDS)
    stage.kafka.thaw()
    stage.over()


FAULTS = [
    Fault(name="broker-killed", about="the broker killed -9 and started again, twice", breaks=_killed),
    Fault(name="broker-away", about="the broker stopped for 60 s (5 min with --long)", breaks=_away),
    Fault(name="broker-frozen", about="the broker stopped by SIGSTOP for 20 s", breaks=_frozen),
]

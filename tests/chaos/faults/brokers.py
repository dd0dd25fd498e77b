"""The broker dies, is away, or hangs."""

from tests.chaos.fault import Fault
from tests.chaos.stage import Stage

_DOWN_SECONDS = 2.0
_AWAY_SECONDS, _SHORT_AWAY_SECONDS = 60.0, 20.0
_FROZEN_SECONDS = 20.0


def _killed(stage: Stage) -> None:
    for _ in range(2):
        stage.sleep(4)
        stage.kafka.kill()
        stage.prove("the broker was killed", holds=not stage.kafka.answers())
        stage.sleep(_DOWN_SECONDS)
        stage.kafka.start()
    stage.over()


def _away(stage: Stage) -> None:
    stage.sleep(3)
    stage.kafka.stop()
    stage.sleep(_AWAY_SECONDS if stage.long else _SHORT_AWAY_SECONDS)
    stage.prove("the broker was away", holds=not stage.kafka.answers())
    stage.kafka.start()
    stage.over()


def _frozen(stage: Stage) -> None:
    stage.sleep(3)
    stage.kafka.freeze()
    stage.sleep(_FROZEN_SECONDS)
    stage.prove("the broker did not answer", holds=not stage.kafka.answers())
    stage.kafka.thaw()
    stage.over()


FAULTS = [
    Fault(name="broker-killed", about="the broker killed -9 and started again, twice", breaks=_killed),
    Fault(name="broker-away", about="the broker stopped for 60 s (20 s with --quick)", breaks=_away),
    Fault(name="broker-frozen", about="the broker stopped by SIGSTOP for 20 s", breaks=_frozen),
]

"""The clock of every machine jumps, forth and back."""

from tests.chaos.errors import ChaosError
from tests.chaos.fault import Fault
from tests.chaos.stage import Stage

_HOUR_SECONDS = 3_600.0
_JUMPS = (_HOUR_SECONDS, 0.0, -_HOUR_SECONDS, 0.0)
_STAYS_SECONDS = 8.0
_RECOVERY_SECONDS = 400.0
_LEAST_JUMP_MS = 3_500_000


def _jump(stage: Stage) -> None:
    """An hour ahead, right, an hour behind, right: everybody's but ClickHouse's, which stamps nothing.

    Grants end before: where the broker's clock goes back, no append time says whether a command came before an event.
    """
    if stage.interposer is None:
        raise ChaosError("clocks jump under the interposer alone")
    stage.load.stop_granting()
    appended = [_newest_append_time_ms(stage)]
    stage.sleep(_STAYS_SECONDS)
    for offset_seconds in _JUMPS:
        stage.interposer.shift_clock(offset_seconds)
        stage.sleep(_STAYS_SECONDS)
        appended.append(_newest_append_time_ms(stage))
    _, ahead, right, behind, _ = appended
    stage.prove("append times jumped an hour ahead", holds=ahead - appended[0] > _LEAST_JUMP_MS)
    stage.prove("append times jumped back", holds=ahead - right > _LEAST_JUMP_MS)
    stage.prove("append times jumped an hour behind", holds=right - behind > _LEAST_JUMP_MS)
    stage.over()
    # What was begun while the clock was an hour ahead may be waited for until its own time-out of 2 minutes.
    stage.await_recovery(_RECOVERY_SECONDS)


def _newest_append_time_ms(stage: Stage) -> int:
    return stage.watch.newest_append_time_ms(stage.system.topics.usage_events)


FAULTS = [
    Fault(
        name="clock-jumps",
        about="the clocks of broker, workers and sink jump by +1 h, back, by -1 h, and back",
        breaks=_jump,
        sink=True,
        # Accounts that are all known before the first jump: who comes first then depends on no clock.
        load={"accounts": 50},
        interposed=True,
    )
]

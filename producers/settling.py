"""A topic that was just made is not known everywhere at once: asks again for a moment before believing it."""

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

T = TypeVar("T")

_SETTLING = frozenset(
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
    }
)
_SECONDS_TO_SETTLE = 3.0
_SECONDS_BETWEEN = 0.1


def when_settled(ask: Callable[[], T]) -> T:
    """What `ask` returns; its KafkaException, if it still raises one after three seconds, or another."""
    until = time.monotonic() + _SECONDS_TO_SETTLE
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _SETTLING or time.monotonic() >= until:
                raise
        time.sleep(_SECONDS_BETWEEN)

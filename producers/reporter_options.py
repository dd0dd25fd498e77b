"""The types of a reporter's arguments, and those that its asyncio face passes on as they are."""

from collections.abc import Callable, Mapping
from typing import Literal, TypedDict

from confluent_kafka import Producer

ProducerFactory = Callable[[dict[str, object]], Producer]
WhenFull = Literal["block", "drop", "raise"]


class ReporterOptions(TypedDict, total=False):
    """As UsageReporter explains them."""

    topic: str
    max_queued: int
    delivery_timeout_seconds: float
    close_timeout_seconds: float
    kafka_config: Mapping[str, object] | None
    make_producer: ProducerFactory

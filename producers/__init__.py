"""What sends to creditstream: the SDK an agent runtime embeds, and the tools behind `python -m producers`."""

from producers.async_reporter import AsyncUsageReporter
from producers.failures import DeliveryError, QueueFullError, ReporterClosedError
from producers.reporter import UsageReporter
from producers.usage_check import InvalidUsageError

__all__ = [
    "AsyncUsageReporter",
    "DeliveryError",
    "InvalidUsageError",
    "QueueFullError",
    "ReporterClosedError",
    "UsageReporter",
]

"""Every fault, in the order in which they are tried."""

from tests.chaos.fault import Fault
from tests.chaos.faults import (
    brokers,
    clickhouse,
    clocks,
    crashes,
    loads,
    oddities,
    overload,
    refusals,
    sinks,
    transactions,
    volume,
    workers,
)

VOLUME = volume.VOLUME
"""It carries what the others leave of the events that are to be sent in all."""
FAULTS: list[Fault] = [
    *crashes.FAULTS,
    *workers.FAULTS,
    *oddities.FAULTS,
    *brokers.FAULTS,
    *clocks.FAULTS,
    *transactions.FAULTS,
    *clickhouse.FAULTS,
    *sinks.FAULTS,
    *refusals.FAULTS,
    *loads.FAULTS,
    *overload.FAULTS,
    *volume.FAULTS,
]

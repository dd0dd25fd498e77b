"""Every fault, in the order in which they are tried."""

from tests.chaos.fault import Fault
from tests.chaos.faults import brokers, clickhouse, crashes, loads, refusals, sinks, transactions, workers

FAULTS: list[Fault] = [
    *crashes.FAULTS,
    *workers.FAULTS,
    *brokers.FAULTS,
    *transactions.FAULTS,
    *clickhouse.FAULTS,
    *sinks.FAULTS,
    *refusals.FAULTS,
    *loads.FAULTS,
]
